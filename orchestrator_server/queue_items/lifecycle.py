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
    lease_seconds: int | None = None
    result: Any = None
    error_type: ErrorType | None = None
    error_message: str | None = None
    locked_by_robot_id: int | None = None
    locked_at: datetime | None = None
    job_id: int | None = None


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes items: a robot, on behalf of the job it runs, if it runs one."""

    robot_id: int
    job_id: int | None = None
    lease_until: datetime | None = None  # of its job


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
    its_own = recorded is not None and (recorded.robot_id, recorded.job_id) == (
        worker.robot_id,
        worker.job_id,
    )
    if its_own and recorded is not None:
        if recorded.status == "in_progress":
            return False
        if outcome is not None and _same(item, recorded, outcome):
            return True
    raise Conflict(
        f"Attempt {attempt} of item {item.id} is not yours, or no longer; the item is "
        f"{item.status} at attempt {item.attempt}. Take another one.",
        kind="stale-attempt",
    )


def _same(item: State, recorded: Recorded, outcome: Outcome) -> bool:
    said = (outcome.status, outcome.error_type, outcome.error_message)
    if said != (recorded.status, recorded.error_type, recorded.error_message):
        return False
    return outcome.status != "completed" or item.result == outcome.result


def after_failure(item: State, error_type: ErrorType) -> Next:
    """A business error is the item's own fault, and would be the same again."""
    if error_type is ErrorType.APPLICATION and item.retries < item.max_retries:
        return Next(S.NEW, item.retries + 1)
    return Next(S.FAILED, item.retries)


def after_return(item: State) -> Next:
    if item.retries < item.max_retries:
        return Next(S.NEW, item.retries + 1)
    return Next(S.ABANDONED, item.retries)


def lease_end(now: datetime, lease_seconds: int | None, worker: Worker) -> datetime:
    if lease_seconds is not None:
        return now + timedelta(seconds=lease_seconds)
    return worker.lease_until or now + timedelta(seconds=ROBOT_LEASE_SECONDS)
