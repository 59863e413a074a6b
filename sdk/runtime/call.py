"""Runs one function of a script: `python -m sdk.runtime.call main.py main`.

How a robot starts a process whose script is `main.py:main`. The parameters of the job become
the arguments, of the types that its annotations name, and what the function returns becomes
the result. Why it failed is told to the robot too, beside the traceback in the log.
"""

import inspect
import json
import os
import runpy
import sys
from pathlib import Path

from sdk.runtime import arguments
from sdk.runtime.errors import BusinessError
from sdk.runtime.job import job
from sdk.strict_json import fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MESSAGE_CHARACTERS = 4096


def call(script: str, function: str) -> None:
    """Run `script` as an import would, then its `function`; sync or async."""
    sys.argv = [script]
    sys.path[0] = script.rpartition("/")[0] or "."
    try:
        work = _function(runpy.run_path(script, run_name="__runwright__"), script, function)
        returned: Any = work(**_arguments(work))
        if inspect.iscoroutine(returned):
            import asyncio  # only here: it costs each script that is not async

            returned = asyncio.run(returned)
    except Exception as error:
        kind = "business" if isinstance(error, BusinessError) else "application"
        _tell_why(f"{type(error).__name__}: {error}", error_type=kind)
        raise
    if returned is not None:
        try:
            job.result = arguments.as_json(returned)
        except (TypeError, ValueError) as error:
            _tell_why(str(error))
            raise


def _function(names: "dict[str, Any]", script: str, function: str) -> "Any":
    if callable(found := names.get(function)):
        return found
    there = sorted(n for n, value in names.items() if inspect.isfunction(value) and n[0] != "_")
    text = f"{Path(script).name} has no function {function}; it has {', '.join(there) or 'none'}."
    _tell_why(text)
    sys.exit(text)


def _arguments(work: "Any") -> "dict[str, Any]":
    try:
        return arguments.converted(work, job.parameters)
    except arguments.DoNotFit as error:
        _tell_why(str(error), "parameters_invalid")
        sys.exit(str(error))


def _tell_why(text: str, reason: str = "script_failed", *, error_type: str | None = None) -> None:
    path = os.environ.get("RUNWRIGHT_FAILURE")
    if not path:
        return
    if len(text) > MESSAGE_CHARACTERS:
        text = text[: MESSAGE_CHARACTERS - 1] + "…"  # by it the robot sees that a secret may be cut
    said = {"reason": reason, "message": fit(text), "error_type": error_type}
    try:
        Path(path).write_text(json.dumps(said), encoding="utf-8", errors="replace")
    except OSError as problem:
        print(f"Why it failed could not be written: {problem}", file=sys.stderr)


if __name__ == "__main__":
    call(sys.argv[1], sys.argv[2])
