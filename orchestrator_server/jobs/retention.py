"""The verbs that forget: jobs that ended long ago, and which logs are older than they need be."""

from datetime import datetime, timedelta

import msgspec

from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs.service import sql


class Ended(msgspec.Struct, frozen=True):
    id: int
    attempt: int  # its logs are those of attempts 1 to this one
    finished_at: datetime


def forget_jobs(tx: Transaction, age: timedelta, limit: int) -> list[Ended]:
    """Delete the oldest jobs that ended before `age` ago; return what was deleted."""
    old = tx.all(sql.ended_before, Ended, before=tx.now - age, limit=limit)
    if not old:
        return []
    ids = Json([job.id for job in old])
    tx.run(sql.forget_items_of, ids=ids)
    tx.run(sql.forget_attempts, ids=ids)
    tx.run(sql.forget_jobs, ids=ids)
    metadata = {"jobs": len(old), "from": old[0].id, "to": old[-1].id}
    audit.record(tx, SYSTEM, "jobs.deleted", metadata=metadata)
    return old


def old_logs(tx: Transaction, age: timedelta, after: datetime | None, limit: int) -> list[Ended]:
    """The jobs that ended before `age` ago, from the moment `after` on, the oldest first."""
    return tx.all(sql.ended_before, Ended, before=tx.now - age, after=after, limit=limit)
