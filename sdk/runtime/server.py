"""What a script asks of its orchestrator, as the job it runs as.

Every request here may be repeated without harm, so each is, through an outage of a minute. The
standard library alone; and nothing of it is loaded before it is needed.
"""

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

PATIENCE_SECONDS = 60.0
REQUEST_SECONDS = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 8.0
LATER = frozenset({408, 425, 429, 502, 503, 504})


class ServerError(Exception):
    """The orchestrator said no, or could not be reached; `status` is 0 without an answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def is_there() -> bool:
    """Whether this script runs on a robot, or under `sdk run`."""
    return bool(os.environ.get("RUNWRIGHT_URL") and os.environ.get("RUNWRIGHT_JOB_TOKEN"))


def ask(method: str, path: str, body: "Any" = None, *, key: str | None = None) -> "Any":
    """The answer as JSON gives it; ServerError with the server's own words otherwise."""
    if not is_there():
        raise ServerError("There is no orchestrator here; try the script with `sdk run`.")
    headers = {"Idempotency-Key": key} if key else {}
    if body is None:
        return _persistently(lambda: _ask_once(method, path, None, headers))
    content = json.dumps(body, allow_nan=False).encode()
    headers["Content-Type"] = "application/json"
    return _persistently(lambda: _ask_once(method, path, content, headers))


def send_file(path: str, file: "Path") -> "Any":
    """Send the bytes of a file, from its beginning at each try."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(file.stat().st_size),
    }

    def send() -> "Any":
        with file.open("rb") as content:
            return _ask_once("PUT", path, content, headers)

    return _persistently(send)


def _persistently(send: "Callable[[], Any]") -> "Any":
    until, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE_SECONDS
    while True:
        try:
            return send()
        except ServerError as error:
            if (error.status and error.status not in LATER) or time.monotonic() > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def quoted(name: str) -> str:
    """A name as one segment of a path."""
    from urllib.parse import quote

    return quote(name, safe="")


def _ask_once(method: str, path: str, data: "Any", headers: "dict[str, str]") -> "Any":
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        """The job's token must not follow to another host."""

        def redirect_request(self, *_: "Any") -> None:
            return None

    headers = {"Authorization": f"Bearer {os.environ['RUNWRIGHT_JOB_TOKEN']}", **headers}
    request = Request(  # noqa: S310 -- the address is the robot's own server
        os.environ["RUNWRIGHT_URL"].rstrip("/") + path, data, headers, method=method
    )
    try:
        with build_opener(Stay).open(request, timeout=REQUEST_SECONDS) as answer:
            return json.loads(answer.read() or b"null")
    except HTTPError as error:
        raise ServerError(_detail(error.read()), error.code) from error
    except (OSError, HTTPException, ValueError) as error:
        raise ServerError(f"The orchestrator does not answer: {error}") from error


def _detail(content: bytes) -> str:
    try:
        problem = json.loads(content)
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError):
        return "The orchestrator refused, and did not say why."
