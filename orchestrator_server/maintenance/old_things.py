"""Deletes what the settings say need not be kept, a little at a time. 0 days: for ever."""

from datetime import timedelta

from orchestrator_server.audit import chain
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.jobs import retention
from orchestrator_server.jobs.logs import Logs
from orchestrator_server.keys import Keys
from orchestrator_server.repeats import service as repeats
from orchestrator_server.settings.current import CurrentSettings

BATCH = 500


async def run_once(database: Database, settings: CurrentSettings, logs: Logs, keys: Keys) -> None:
    """One step of each kind; the next minute takes the next."""
    await database.write(repeats.forget_old)
    if days := settings.jobs.retention_days:
        for job in await database.write(retention.forget_jobs, timedelta(days=days), BATCH):
            await logs.remove(job.id, job.attempt)
    if days := settings.logging.job_log_retention_days:
        for job in await database.read(retention.old_logs, timedelta(days=days), BATCH):
            await logs.remove(job.id, job.attempt)
    if days := settings.logging.audit_retention_days:
        await database.write(_forget_events, keys, timedelta(days=days))


def _forget_events(tx: Transaction, keys: Keys, age: timedelta) -> int:
    return chain.forget_before(tx, keys, tx.now - age, BATCH)
