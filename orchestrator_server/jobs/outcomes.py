"""What the steps of a job came to (`sdk.runtime.once`): kept for its later attempts."""

from typing import Any

import msgspec

from orchestrator_server.access.callers import JobCaller
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, TooLarge
from orchestrator_server.jobs import attempts
from orchestrator_server.jobs.service import sql
from sdk.contract.runner import Outcome, OutcomeKeep

MAX_BYTES = 64 * 1024
MOST = 10_000  # of one job


class _Count(msgspec.Struct, frozen=True):
    count: int


class _Kept(msgspec.Struct, frozen=True):
    value: dict[str, Any]  # in an object, so that null is an outcome like any other
    attempt: int


def look(tx: Transaction, caller: JobCaller, key: str) -> Outcome:
    attempts.running(tx, caller)
    found = tx.maybe(sql.outcome, _Kept, job_id=caller.id, key=key)
    if found is None:
        return Outcome(known=False)
    return Outcome(known=True, value=found.value["is"], attempt=found.attempt)


def keep(tx: Transaction, caller: JobCaller, key: str, wanted: OutcomeKeep) -> Outcome:
    """The first outcome of a key stays; whoever comes later is told that one."""
    if len(msgspec.json.encode(wanted.value)) > MAX_BYTES:
        raise TooLarge(f"An outcome has at most {MAX_BYTES // 1024} KiB; keep a reference to it.")
    attempts.running(tx, caller)
    [kept] = tx.all(sql.count_outcomes, _Count, job_id=caller.id)
    if kept.count >= MOST:
        raise Conflict(f"A job keeps at most {MOST:,} outcomes; put the work into a queue.")
    tx.run(
        sql.keep_outcome,
        job_id=caller.id,
        key=key,
        attempt=caller.attempt,
        value=Json({"is": wanted.value}),
    )
    return look(tx, caller, key)
