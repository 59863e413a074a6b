"""The verbs that forget jobs that ended long ago; which of them are old, which logs are over."""

from datetime import datetime, timedelta

import msgspec

from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs.logs import Log
from orchestrator_server.jobs.service import sql


class Ended(msgspec.Struct, frozen=True):
    id: int
    attempt: int
    finished_at: datetime

    @property
    def logs(self) -> list[Log]:
        return [Log(self.id, attempt) for attempt in range(1, self.attempt + 1)]


class _Known(msgspec.Struct, frozen=True):
    id: int
    attempt: int
    finished_at: datetime | None


def forget_jobs(tx: Transaction, old: list[Ended]) -> None:
    """Delete jobs that ended long ago, after their files."""
    ids = Json([job.id for job in old])
    tx.run(sql.forget_items_of, ids=ids)
    tx.run(sql.forget_attempts, ids=ids)
    tx.run(sql.forget_jobs, ids=ids)
    metadata = {"jobs": len(old), "from": old[0].id, "to": old[-1].id}
    audit.record(tx, SYSTEM, "jobs.deleted", metadata=metadata)


def over(tx: Transaction, logs: list[Log]) -> list[Log]:
    """Those whose attempt has ended."""
    jobs = tx.all(sql.ends_of, _Known, ids=Json([log.job_id for log in logs]))
    known = {job.id: job for job in jobs}
    return [log for log in logs if log.job_id in known and _is_over(known[log.job_id], log)]


def _is_over(job: _Known, log: Log) -> bool:
    return job.finished_at is not None or log.attempt < job.attempt


def old_jobs(tx: Transaction, age: timedelta, after: Ended | None, limit: int) -> list[Ended]:
    """The jobs that ended before `age` ago, the oldest first; with `after`, those behind it."""
    return tx.all(
        sql.ended_before,
        Ended,
        before=tx.now - age,
        after=after and after.finished_at,
        after_id=after and after.id,
        limit=limit,
    )
