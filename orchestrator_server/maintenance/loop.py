"""Runs the doers of this folder, and tells waiting robots of jobs that nobody told them of."""

import asyncio
from contextlib import suppress

import structlog

from orchestrator_server.audit import chain
from orchestrator_server.db.transaction import Database
from orchestrator_server.db.wakeups import Wakeups
from orchestrator_server.errors import Unavailable
from orchestrator_server.jobs import attempts
from orchestrator_server.keys import Keys
from orchestrator_server.maintenance import expired_jobs, lost_items, lost_robots
from orchestrator_server.maintenance.old_things import OldThings
from orchestrator_server.settings.current import CurrentSettings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
TICK_SECONDS = 5.0
CLEAN_UP_SECONDS = 60.0

_DOERS = (
    (lost_robots, "robots were lost"),
    (expired_jobs, "jobs were not begun in time"),
    (lost_items, "queue items were taken back or given up"),
)


class Maintenance:
    def __init__(
        self,
        database: Database,
        wakeups: Wakeups,
        settings: CurrentSettings,
        old_things: OldThings,
        keys: Keys,
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._database = database
        self._wakeups = wakeups
        self._settings = settings
        self._old_things = old_things
        self._keys = keys
        self._tick_seconds = tick_seconds
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_running(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def start(self) -> None:
        """Every running attempt gets a whole new lease first: while no server ran, no robot
        could be heard, and silence means nothing."""
        await self._database.write(attempts.renew_all, self._settings.jobs)
        self._tasks = [
            asyncio.create_task(self._watch(), name="watchdog"),
            asyncio.create_task(self._look(), name="look for waiting jobs"),
            asyncio.create_task(self._clean_up(), name="delete what is old"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(self._tick_seconds)
            late_seconds = loop.time() - last - self._tick_seconds
            last = loop.time()
            try:
                await self._tick(late_seconds)
            except Unavailable as error:
                log.warning("watchdog could not look", why=str(error))

    async def _tick(self, late_seconds: float) -> None:
        if late_seconds > 2 * self._tick_seconds:  # we were stopped, not the robots
            log.warning("watchdog came late; all leases begin anew", seconds=round(late_seconds))
            await self._database.write(attempts.renew_all, self._settings.jobs)
            return
        for doer, what in _DOERS:
            touched = doer.BATCH
            while touched == doer.BATCH:
                touched = await self._database.write(doer.run_once)
                if touched:
                    log.warning(what, touched=touched)

    async def _refresh_settings(self) -> None:
        try:
            await self._settings.refresh(self._database)
        except Unavailable as error:
            log.warning("settings could not be read; the last ones hold", why=str(error))

    async def _link_events(self) -> None:
        try:
            while await self._database.write(chain.link, self._keys) == chain.BATCH:
                pass
        except Unavailable as error:
            log.warning("audit events could not be linked yet", why=str(error))

    async def _clean_up(self) -> None:
        """A few old things at a time, so that nothing waits for it."""
        while True:
            await asyncio.sleep(CLEAN_UP_SECONDS)
            try:
                await self._old_things.run_once()
            except Unavailable as error:
                log.warning("old things could not be deleted yet", why=str(error))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._refresh_settings()
            await self._link_events()
            if self._wakeups.count:
                try:
                    count = await self._database.read(attempts.waiting, self._wakeups.count)
                except Unavailable as error:
                    log.warning("could not look for waiting jobs", why=str(error))
                else:
                    self._wakeups.wake(count)
