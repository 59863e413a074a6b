"""Steps of a job that must not be done twice, also if the job is tried again."""

from sdk.runtime import server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def once(key: str, work: "Callable[[], Any]") -> "Any":
    """What `work()` returns; at a later attempt of the same job, what it returned then.

    What it returns is kept as JSON (paths and dates as text) with the orchestrator before the next
    line runs. A crash between `work` and that moment leaves the step to be done again: give the
    outside world `job.idempotency_key` for the last bit of certainty. Outside a robot, `work()` is
    just called.
    """
    if not server.is_there():
        return work()
    path = f"/api/runtime/outcomes/{server.quoted(key)}"
    known = server.ask("GET", path)
    if known["known"]:
        return known["value"]
    from sdk.runtime.arguments import as_json

    return server.ask("PUT", path, {"value": as_json(work())})["value"]
