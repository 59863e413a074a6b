"""Runs the doers of this folder, and tells waiting robots of jobs that nobody told them of."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.audit import chain
from orchestrator_server.audit import service as audit
from orchestrator_server.db.peers import Peers
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.db.wakeups import Wakeups
from orchestrator_server.errors import Unavailable
from orchestrator_server.jobs import attempts
from orchestrator_server.jobs.wants import Demand, Taker
from orchestrator_server.keys import Keys
from orchestrator_server.maintenance import expired_jobs, leases, lost_items, lost_robots, pulse
from orchestrator_server.maintenance.high_water import HighWater
from orchestrator_server.maintenance.old_things import OldThings
from orchestrator_server.processes.changes import Latest
from orchestrator_server.robots.heard import Heard
from orchestrator_server.settings.current import CurrentSettings
from sdk.contract.settings import JobSettings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
TICK_SECONDS = 5.0
CLEAN_UP_SECONDS = 60.0
MORE_SECONDS = 1.0  # before the next step, if there is more to delete
LOOKED_AT_JOBS = 10_000  # of those that wait: no more, so that the look stays short

_DOERS = (
    (lost_robots, "robots were lost"),
    (expired_jobs, "jobs were not begun in time"),
    (lost_items, "queue items were taken back or given up"),
)


class Maintenance:
    def __init__(
        self,
        database: Database,
        peers: Peers,
        wakeups: Wakeups[Taker],
        settings: CurrentSettings,
        heard: Heard,
        changes: Latest,
        old_things: OldThings,
        keys: Keys,
        high_water: HighWater,
        clock: Callable[[], datetime],
        tick_seconds: float = TICK_SECONDS,
    ) -> None:
        self._database = database
        self._peers = peers
        self._wakeups = wakeups
        self._settings = settings
        self._heard = heard
        self._changes = changes
        self._old_things = old_things
        self._keys = keys
        self._high_water = high_water
        self._clock = clock
        self.loop_late_seconds = 0.0  # how late the event loop came to the last tick
        self._tick_seconds = tick_seconds
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_running(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def start(self) -> None:
        """Every running attempt gets a whole new lease first: while no server ran, no robot
        could be heard, and silence means nothing."""
        await self._high_water.look_back()
        begun = None
        if self._peers.is_leader:  # else whoever comes to lead does it
            begun = pulse.Moment.now(self._clock)
            await self._database.write(leases.begin_anew, self._settings.jobs)
        self._tasks = [
            asyncio.create_task(self._watch(begun), name="watchdog"),
            asyncio.create_task(self._look(), name="look for waiting jobs"),
            asyncio.create_task(self._clean_up(), name="delete what is old"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self._write_who_was_heard()

    async def _watch(self, last: pulse.Moment | None) -> None:
        """Whoever comes to lead gives every lease anew: why the other one no longer leads is
        not known, and when a database was away no robot could be heard."""
        period = self._tick_seconds
        while True:
            asleep_since = time.monotonic()
            await asyncio.sleep(period)
            now = pulse.Moment.now(self._clock)
            self.loop_late_seconds = now.steady_seconds - asleep_since - period
            if not self._peers.is_leader:
                last = None
                continue
            try:
                if last is None:
                    log.info("this server leads: it looks after leases and old things")
                    await self._database.write(leases.begin_anew, self._settings.jobs)
                else:
                    await self._tick(
                        pulse.late_seconds(last, now, period),
                        pulse.jumped_seconds(last, now, period),
                    )
            except Unavailable as error:  # nor could robots be heard: it counts as being late
                log.warning("watchdog could not look", why=str(error))
            except Exception:  # a bug of ours; without this task no lost robot would be found
                log.exception("watchdog could not look")
            else:
                last = now

    async def _tick(self, late_seconds: float, jumped_seconds: float = 0.0) -> None:
        happened = {}
        if late_seconds > 2 * self._tick_seconds:  # we were stopped, not the robots
            happened["server.paused"] = round(late_seconds)
        if jumped_seconds:
            happened["clock.jumped"] = round(jumped_seconds)
        if happened:
            log.warning("the server was paused or its clock was set; all leases begin anew",
                        seconds=happened)  # fmt: skip
            await self._database.write(_begin_anew, self._settings.jobs, happened)
            return
        now = self._clock()
        for doer, what in _DOERS:
            touched = doer.BATCH
            while touched == doer.BATCH:
                touched = await self._database.write(self._look_after, doer.run_once, now)
                if touched:
                    log.warning(what, touched=touched)

    def _look_after(
        self, tx: Transaction, run_once: Callable[[Transaction], int], now: datetime
    ) -> int:
        """Unless the clock was set this very moment: then the next tick finds out."""
        was_set = abs((tx.now - now).total_seconds()) > self._tick_seconds
        return 0 if was_set else run_once(tx)

    async def _refresh_settings(self) -> None:
        try:
            await self._settings.refresh(self._database)
            await self._changes.refresh(self._database)
        except Unavailable as error:
            log.warning("settings could not be read; the last ones hold", why=str(error))

    async def _link_events(self) -> None:
        try:
            while await self._database.write(chain.link, self._keys) == chain.BATCH:
                pass
        except Unavailable as error:
            log.warning("audit events could not be linked yet", why=str(error))

    async def _note_high_water(self) -> None:
        try:
            await self._high_water.note()
        except Unavailable as error:
            log.warning("how far the database has come is not known", why=str(error))

    async def _clean_up(self) -> None:
        """A few old things at a time, so that nothing waits for it."""
        is_more = False
        while True:
            await asyncio.sleep(MORE_SECONDS if is_more else CLEAN_UP_SECONDS)
            is_more = False
            if not self._peers.is_leader:
                continue
            try:
                is_more = await self._old_things.run_once()
            except Unavailable as error:
                log.warning("old things could not be deleted yet", why=str(error))
            except Exception:  # whatever is wrong with one of them, the others come in their turn
                log.exception("old things could not be deleted")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look_once()
            except Exception:  # a bug of ours, of which the next second knows nothing
                log.exception("the look once a second failed")

    async def _look_once(self) -> None:
        await self._refresh_settings()
        await self._write_who_was_heard()
        if self._peers.is_leader:
            await self._link_events()
            await self._note_high_water()
        if self._wakeups.count:
            await self._wake_for_what_waits()

    async def _write_who_was_heard(self) -> None:
        try:
            await self._heard.flush()
        except Unavailable as error:
            log.warning("which robots were heard could not be written", why=str(error))

    async def _wake_for_what_waits(self) -> None:
        try:
            waiting = await self._database.read(attempts.waiting, LOOKED_AT_JOBS)
        except Unavailable as error:
            log.warning("could not look for waiting jobs", why=str(error))
            return
        self._wakeups.wake_each(Demand(waiting).take)


def _begin_anew(tx: Transaction, settings: JobSettings, happened: dict[str, int]) -> None:
    leases.begin_anew(tx, settings)
    for action, seconds in happened.items():
        audit.record(tx, SYSTEM, action, metadata={"seconds": seconds})
