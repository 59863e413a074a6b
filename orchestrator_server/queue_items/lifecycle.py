"""What may happen to an item. Pure.

new ──► in_progress ──► completed | failed
 ▲ │         │
 │ └─────────┼──► abandoned (its deadline passed, or a person gave it up)
 └───────────┘ failed or returned, with retries left; else failed, or abandoned
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from orchestrator_server.errors import Conflict
from sdk.contract.queues import ErrorType, ItemStatus
from sdk.contract.queues import ItemStatus as S

ROBOT_LEASE_SECONDS = 300  # of a robot that takes items outside a job

BY_HAND = {S.NEW: {S.ABANDONED}, S.FAILED: {S.NEW}, S.ABANDONED: {S.NEW}}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """An item with what its queue says about it."""

    id: int
    queue_id: int
    status: ItemStatus
    attempt: int
    retries: int
    max_retries: int
    enforce_unique_reference: bool
    lease_seconds: int | None = None
    result: Any = None
    error_type: ErrorType | None = None
    error_message: str | None = None
    locked_by_robot_id: int | None = None
    locked_at: datetime | None = None
    lease_until: datetime | None = None
    deadline: datetime | None = None
    job_id: int | None = None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes items: a job, or a robot, on behalf of the job it runs, if it runs one."""

    robot_id: int
    job_id: int | None = None
    lease_until: datetime | None = None  # of its job
    is_job: bool = False  # speaks for that job only; a robot, for all that it holds


class Next(NamedTuple):
    status: ItemStatus
    retries: int


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One time an item was taken, as it stands."""

    attempt: int
    status: str
    robot_id: int | None = None
    job_id: int | None = None
    error_type: ErrorType | None = None
    error_message: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says became of an item."""

    status: str  # completed or failed
    result: Any = None
    error_type: ErrorType | None = None
    error_message: str | None = None


def is_repeated(
    item: State, recorded: Recorded | None, worker: Worker, attempt: int, outcome: Outcome | None
) -> bool:
    """Whether a worker says again what it has said of this attempt; False if it is the first time.

    Raises Conflict if this attempt of the item is not the worker's any more, or never was.
    """
    if recorded is not None and _is_its_own(recorded, worker):
        if recorded.status == "in_progress":
            return False
        if outcome is not None and _same(item, recorded, outcome):
            return True
    raise Conflict(
        f"Attempt {attempt} of item {item.id} is not yours, or no longer; the item is "
        f"{item.status} at attempt {item.attempt}. Take another one.",
        kind="stale-attempt",
    )


def _is_its_own(recorded: Recorded, worker: Worker) -> bool:
    if recorded.robot_id != worker.robot_id:
        return False
    return recorded.job_id == worker.job_id or not worker.is_job


def _same(item: State, recorded: Recorded, outcome: Outcome) -> bool:
    said = (outcome.status, outcome.error_type, outcome.error_message)
    if said != (recorded.status, recorded.error_type, recorded.error_message):
        return False
    return outcome.status != "completed" or item.result == outcome.result


def must_allow_by_hand(item: State, status: ItemStatus, *, is_edited: bool) -> None:
    """A new item may be changed or given up; a dead letter, tried again, and changed with that."""
    if status != item.status and status not in BY_HAND.get(item.status, set()):
        raise Conflict(
            f"Item {item.id} is {item.status}; nobody can make it {status} by hand. "
            "A new item can be abandoned; a failed or abandoned one can be made new."
        )
    if is_edited and S.NEW not in (item.status, status):
        raise Conflict(f"Item {item.id} is {item.status}; only a new item can be changed.")


def after_failure(item: State, error_type: ErrorType) -> Next:
    """A business error is the item's own fault, and would be the same again."""
    if error_type is ErrorType.APPLICATION and item.retries < item.max_retries:
        return Next(S.NEW, item.retries + 1)
    return Next(S.FAILED, item.retries)


def after_return(item: State) -> Next:
    if item.retries < item.max_retries:
        return Next(S.NEW, item.retries + 1)
    return Next(S.ABANDONED, item.retries)


def lease_end(now: datetime, lease_seconds: int | None, job_lease: datetime | None) -> datetime:
    """The queue's own lease, else its job's, else what a robot has without a job."""
    if lease_seconds is not None:
        return now + timedelta(seconds=lease_seconds)
    return job_lease or now + timedelta(seconds=ROBOT_LEASE_SECONDS)


def is_silent(item: State, now: datetime) -> bool:
    """Whether its holder let the lease end."""
    return item.lease_until is not None and item.lease_until <= now


def is_late(item: State, now: datetime) -> bool:
    return item.status is S.NEW and item.deadline is not None and item.deadline <= now
