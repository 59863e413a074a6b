"""The verbs that forget: jobs that ended long ago, and which logs are older than they need be."""

from datetime import timedelta

import msgspec

from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs.service import sql

LOGS_LOOK_BACK = timedelta(days=2)  # a server that was off for longer leaves some behind


class Ended(msgspec.Struct, frozen=True):
    id: int
    attempt: int  # its logs are those of attempts 1 to this one


def forget_jobs(tx: Transaction, age: timedelta, limit: int) -> list[Ended]:
    """Delete the oldest jobs that ended before `age` ago; return what was deleted."""
    old = tx.all(sql.ended_before, Ended, before=tx.now - age, limit=limit)
    for job in old:
        tx.run(sql.forget_items_of, id=job.id)
        tx.run(sql.forget_attempts, id=job.id)
        tx.run(sql.forget_job, id=job.id)
    if old:
        metadata = {"jobs": len(old), "from": old[0].id, "to": old[-1].id}
        audit.record(tx, SYSTEM, "jobs.deleted", metadata=metadata)
    return old


def old_logs(tx: Transaction, age: timedelta, limit: int) -> list[Ended]:
    """The jobs whose logs have just become older than `age`."""
    before = tx.now - age
    return tx.all(
        sql.ended_between, Ended, after=before - LOGS_LOOK_BACK, before=before, limit=limit
    )
