"""Runs one function of a script: `python -m sdk.runtime.call main.py main`.

How a robot starts a process whose script is `main.py:main`. The parameters of the job become
the arguments, and what the function returns becomes the result.
"""

import inspect
import runpy
import sys

from sdk.runtime.job import job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def call(script: str, function: str) -> None:
    """Run `script` as an import would, then its `function`; sync or async."""
    sys.argv = [script]
    sys.path[0] = script.rpartition("/")[0] or "."
    returned: Any = runpy.run_path(script, run_name="__runwright__")[function](**job.parameters)
    if inspect.iscoroutine(returned):
        import asyncio  # only here: it costs each script that is not async

        returned = asyncio.run(returned)
    if returned is not None:
        job.result = returned


if __name__ == "__main__":
    call(sys.argv[1], sys.argv[2])
