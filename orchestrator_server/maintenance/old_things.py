"""Deletes what the settings say need not be kept, a little at a time. 0 days: for ever.

And takes the logs of what has ended to where packages are, if that is not the same folder.
"""

import random
from contextlib import suppress
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
        jobs, logging = self._settings.jobs, self._settings.logging
        steps = (
            (jobs.item_retention_days, self._forget_items),
            (logging.audit_retention_days, self._forget_events),
            (jobs.retention_days, self._forget_jobs),  # these ask the object store
            (logging.job_log_retention_days, self._remove_logs),
        )
        done = [await step(timedelta(days=days)) for days, step in steps if days]
        return BATCH in [*done, await self._archive_logs()]

    async def _forget_items(self, age: timedelta) -> int:
        return await self._database.write(items.forget_items, age, BATCH)

    async def _forget_events(self, age: timedelta) -> int:
        return await self._database.write(_forget_events, self._keys, age)

    async def _forget_jobs(self, age: timedelta) -> int:
        """Files first: who is interrupted finds the rows the next time, and nothing is left."""
        old = await self._database.read(retention.old_jobs, age, None, BATCH)
        if old:
            for folder in await self._database.read(artifacts.folders_of, [job.id for job in old]):
                # Also what a server left that was killed before it had written a row.
                await self._objects.remove([file.name async for file in self._objects.list(folder)])
            await self._logs.remove([log for job in old for log in job.logs])
            await self._database.write(retention.forget_jobs, old)
        return len(old)

    async def _archive_logs(self) -> int:
        quiet = await self._logs.quiet(QUIET_SECONDS)
        over = await self._database.read(retention.over, quiet) if quiet else []
        if not over:
            return 0
        with self._logs.archiving() as is_ours:
            if not is_ours:
                return 0
            random.shuffle(over)  # one that cannot go does not stand before all others
            for log in over[:BATCH]:
                with suppress(FileNotFoundError):  # retention has been here
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
