"""Runs one function of a script, as `launch.py` asks for it.

How a robot starts a process whose script is `main.py:main`. The parameters of the job become
the arguments, of the types that its annotations name, and what the function returns becomes
the result. Why it failed is told to the robot too, beside the traceback in the log.
"""

import inspect
import json
import os
import sys
from pathlib import Path

from sdk.runtime import arguments, modules
from sdk.runtime.errors import BusinessError
from sdk.runtime.job import job
from sdk.strict_json import fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from typing import Any

MESSAGE_CHARACTERS = 4096


class _CannotCall(SystemExit):
    """The function is not called; the reason is in the failure file already."""


def call(script: str, function: str, at_start: "AbstractSet[str]") -> None:
    """Run `script` as an import would, then its `function`; sync or async.

    `at_start` names the modules that Python itself has loaded."""
    script = os.path.abspath(script)  # noqa: PTH100
    sys.argv = [script]
    try:
        work = _function(modules.load(script, at_start), script, function)
        returned: Any = work(**_arguments(work))
        if inspect.iscoroutine(returned):
            import asyncio  # only here: it costs each script that is not async

            returned = asyncio.run(returned)
    except Exception as error:
        kind = "business" if isinstance(error, BusinessError) else "application"
        _tell_why(f"{type(error).__name__}: {error}", error_type=kind)
        raise
    except _CannotCall:
        raise
    except SystemExit as ending:
        _tell_exit(ending.code)
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
    raise _CannotCall(text)


def _arguments(work: "Any") -> "dict[str, Any]":
    try:
        return arguments.converted(work, job.parameters)
    except arguments.DoNotFit as error:
        _tell_why(str(error), "parameters_invalid")
        raise _CannotCall(str(error)) from error


def _tell_exit(code: object) -> None:
    """Tell the text of `sys.exit(text)`. A number that is no success, and of which the system would
    keep a 0, ends with status 1."""
    if isinstance(code, int):
        if code != 0 and code & 0xFF == 0:
            text = f"The script called sys.exit({code}), which is 0 in the 8 bits of a status."
            _tell_why(text)
            raise SystemExit(1)
    elif code is not None:
        _tell_why(str(code))


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
