"""What a disturbance is: a name, what is done to a site, and what must be seen of it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from orchestrator_server.chaos.site import Broken, Site
from sdk.contract.jobs import Job, Reason

Do = Callable[[Site], Awaitable[None]]


class Scenario(NamedTuple):
    id: str
    title: str  # goes on: "… and nothing is lost"
    do: Do
    is_slow: bool  # it waits for leases to end


SCENARIOS: list[Scenario] = []


def scenario(id_: str, title: str, *, is_slow: bool = False) -> Callable[[Do], Do]:
    """Adds a function to SCENARIOS, in the order of the files."""

    def add(do: Do) -> Do:
        SCENARIOS.append(Scenario(id_, title, do, is_slow))
        return do

    return add


def expect(job: Job, status: str, *, reason: Reason | None = None, attempt: int = 1) -> None:
    """Broken, with what there is instead, if the job did not end so."""
    wanted, there = (status, reason, attempt), (str(job.status), job.reason, job.attempt)
    if wanted != there:
        raise Broken(f"Job {job.id} is {there} and should be {wanted}: {job.error_message}")


def must(holds: object, sentence: str) -> None:
    if not holds:
        raise Broken(sentence)
