"""Deletes what the settings say need not be kept, a little at a time. 0 days: for ever.

And takes the logs of what has ended to where packages are, if that is not the same folder.
"""

from datetime import timedelta

from orchestrator_server.artifacts import service as artifacts
from orchestrator_server.assets import reads
from orchestrator_server.audit import chain
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.jobs import retention
from orchestrator_server.jobs.logs import Logs
from orchestrator_server.keys import Keys
from orchestrator_server.objects.store import ObjectStore
from orchestrator_server.queue_items import retention as items
from orchestrator_server.repeats import service as repeats
from orchestrator_server.sdk_sessions import service as sdk_sessions
from orchestrator_server.settings.current import CurrentSettings

BATCH = 500
QUIET_SECONDS = 3600.0  # so long after the last line, a log goes to the archive


class OldThings:
    def __init__(
        self,
        database: Database,
        settings: CurrentSettings,
        logs: Logs,
        keys: Keys,
        objects: ObjectStore,
    ) -> None:
        self._database = database
        self._settings = settings
        self._logs = logs
        self._keys = keys
        self._objects = objects
        # Of jobs that ended before it, the logs are gone: where the next step goes on. A new
        # server begins at the first job again; to delete what is not there costs little.
        self._logs_gone_until: retention.Ended | None = None

    async def run_once(self) -> bool:
        """One step of each kind; whether there is more to do."""
        await self._database.write(repeats.forget_old)
        await self._database.write(sdk_sessions.forget_old)
        await self._database.write(reads.forget_replaced)
        done = [await self._archive_logs()]
        if days := self._settings.jobs.retention_days:
            done.append(await self._forget_jobs(timedelta(days=days)))
        if days := self._settings.jobs.item_retention_days:
            age = timedelta(days=days)
            done.append(await self._database.write(items.forget_items, age, BATCH))
        if days := self._settings.logging.job_log_retention_days:
            done.append(await self._remove_logs(timedelta(days=days)))
        if days := self._settings.logging.audit_retention_days:
            age = timedelta(days=days)
            done.append(await self._database.write(_forget_events, self._keys, age))
        return BATCH in done

    async def _forget_jobs(self, age: timedelta) -> int:
        """Files first: who is interrupted finds the rows the next time, and nothing is left."""
        old = await self._database.read(retention.old_jobs, age, None, BATCH)
        if old:
            files = await self._database.read(artifacts.files_of, [job.id for job in old])
            await self._objects.remove(files)
            await self._logs.remove([log for job in old for log in job.logs])
            await self._database.write(retention.forget_jobs, old)
        return len(old)

    async def _archive_logs(self) -> int:
        quiet = await self._logs.quiet(QUIET_SECONDS)
        over = await self._database.read(retention.over, quiet) if quiet else []
        for log in over[:BATCH]:
            await self._logs.archive(log)
        return len(over[:BATCH])

    async def _remove_logs(self, age: timedelta) -> int:
        old = await self._database.read(retention.old_jobs, age, self._logs_gone_until, BATCH)
        if old:
            await self._logs.remove([log for job in old for log in job.logs])
            self._logs_gone_until = old[-1]
        return len(old)


def _forget_events(tx: Transaction, keys: Keys, age: timedelta) -> int:
    return chain.forget_before(tx, keys, tx.now - age, BATCH)
