"""The job a script runs as: its parameters, its progress, its result.

Script and robot meet in files whose paths are in the environment: nothing to connect to, and
what is written survives a crash of either. Without those variables, on a developer's machine,
everything works and leaves nothing behind.
"""

import json
import os
import sys
import threading
from pathlib import Path

# At once: later, `sdk` may be a module of the package.
from sdk.strict_json import VALUE_DEPTH, fit, read

TYPE_CHECKING = False  # importing `typing` for it would cost each script some milliseconds
if TYPE_CHECKING:
    from typing import Any

MESSAGE_CHARACTERS = 200


class Job:
    """What a script knows about the job it runs as, and what it tells about it."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] | None = None
        self._result: Any = None
        # Outside a robot each run is a job of its own, so that two are not taken for one.
        self._local_key = f"local-{os.urandom(8).hex()}"

    @property
    def id(self) -> int:
        """The number of the job; 0 outside a robot."""
        return int(os.environ.get("RUNWRIGHT_JOB_ID") or 0)

    @property
    def attempt(self) -> int:
        """1 at the first try, 2 at the second."""
        return int(os.environ.get("RUNWRIGHT_ATTEMPT") or 1)

    @property
    def idempotency_key(self) -> str:
        """The same at every attempt of a job: hand it to an API that must not act twice."""
        return os.environ.get("RUNWRIGHT_IDEMPOTENCY_KEY") or self._local_key

    @property
    def parameters(self) -> "dict[str, Any]":
        """What the job was created with; {} outside a robot."""
        if self._parameters is None:
            self._parameters = _read_parameters(os.environ.get("RUNWRIGHT_PARAMETERS"))
        return self._parameters

    @property
    def result(self) -> "Any":
        """What was set last; None before."""
        return self._result

    @result.setter
    def result(self, value: "Any") -> None:
        """Hand over the result as it is now; a later change inside the value is not seen."""
        text = check_result(value)
        if path := os.environ.get("RUNWRIGHT_RESULT"):
            _write(path, text)
        self._result = value

    @property
    def should_stop(self) -> bool:
        """Whether a person has asked the job to finish early: look between two pieces of work."""
        path = os.environ.get("RUNWRIGHT_STOP")
        return bool(path) and Path(str(path)).exists()

    def artifact(self, path: "str | Path", name: "str | None" = None) -> None:
        """Leave a file for people: a screenshot, a report. The last one of a name counts.

        OSError if it cannot be read; ServerError if the orchestrator does not take it; ValueError
        if its name is not UTF-8."""
        from sdk.runtime import server

        path = Path(path)
        name = name or path.name
        _check_name(name)
        if server.is_there():
            server.send_file(f"/api/runtime/artifacts/{server.quoted(name)}", path)
        else:
            path.stat()
            print(f"Artifact {name}: {path}", file=sys.stderr)

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how much is done, from 0 to 1, and what is being done."""
        if not 0 <= fraction <= 1:
            raise ValueError(f"Progress is a fraction from 0 to 1, not {fraction}.")
        message = message[:MESSAGE_CHARACTERS]
        if path := os.environ.get("RUNWRIGHT_PROGRESS"):
            _write_progress(path, float(fraction), message)
        else:
            print(f"{fraction:.0%} {' '.join(message.split())}".rstrip(), file=sys.stderr)


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"An artifact has a name in UTF-8, not {name!a}; name it.") from error


def _read_parameters(path: str | None) -> "dict[str, Any]":
    if not path:
        return {}
    parameters = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(parameters, dict):
        kind = type(parameters).__name__
        raise ValueError(f"The parameters of a job are a JSON object, and {path} holds a {kind}.")
    return parameters


def check_result(value: "Any", of: str = "a job") -> str:
    """The JSON of a result. TypeError or ValueError if the orchestrator could not keep it."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()  # half a surrogate pair passes json.dumps, and no reader accepts it
        read(text, VALUE_DEPTH)
    except TypeError as error:
        raise TypeError(f"The result of {of} must be JSON, and this is not: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The result of {of} must be JSON, and this is not: {error}.") from error
    return text


def _write_progress(path: str, fraction: float, message: str) -> None:
    message = fit(message)  # a file name in it may be undecodable; that must not end a job
    try:
        _write(path, json.dumps({"fraction": fraction, "message": message}, ensure_ascii=False))
    except OSError as error:
        # The work matters more than the bar that shows it. On Windows, replacing a file
        # fails while the robot reads it; the next call makes up for that.
        print(f"Progress could not be written: {error}", file=sys.stderr)


def _write(path: str, text: str) -> None:
    """Replace the file in one step, so that its reader never sees half of it."""
    # Named for its writer: threads and child processes of a script may write at the same time.
    temporary = Path(f"{path}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


job = Job()
