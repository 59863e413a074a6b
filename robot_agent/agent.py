"""The whole agent: for each robot a heart and a pair of hands."""

import asyncio
import logging
import secrets
import signal
import sys
from collections.abc import Callable, Coroutine

from robot_agent import endpoint, notify, recovery
from robot_agent.ahead import Ahead
from robot_agent.config import MIB, Config
from robot_agent.data_folder import DataFolder
from robot_agent.environments.shelf import Shelf
from robot_agent.exits import SecondAgent
from robot_agent.heartbeat import Heart
from robot_agent.journal import Unwritable
from robot_agent.link import Link
from robot_agent.machine_info import Machine
from robot_agent.outage import Outage
from robot_agent.pulse import Pulse
from robot_agent.session import session
from robot_agent.standing import Lookout
from robot_agent.warm.here import Parents
from robot_agent.work import Work
from robot_agent.workplace import Workplace
from sdk.contract.jobs import Reason
from sdk.retry import GaveUp
from sdk.transport import Transport

DRAIN_LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class Agent:
    def __init__(self, config: Config, machine_key: str, data: DataFolder) -> None:
        self.pulse = Pulse()
        self._outage = Outage()
        self._config = config
        self._machine_key = machine_key
        self._data = data
        self._life = secrets.token_urlsafe(16)
        self._shelf = Shelf(
            data.environments,
            most_bytes=config.environments_mib * MIB,
            unused_days=config.environments_days,
        )
        self._parents = Parents(data.environments)
        self._ahead = Ahead(
            data.path / "ahead",
            data.packages,
            self._shelf,
            data.reserve,
            unused_days=config.environments_days,
        )
        self._machine = Machine(data.path)
        self._lookout = Lookout(config, data, self._machine)
        self._stopping = self._lookout.stopping  # finish the job, take no more
        self._is_signaled = False
        self._hurry = asyncio.Event()  # end the job too

    async def run(self) -> None:
        """Work until asked to stop, or until one of the loops fails, which ends them all."""
        self._listen_to_signals()
        await self._shelf.open()
        unfinished = await recovery.take_stock(self._data.journal, self._data.jobs)
        await asyncio.to_thread(self._machine.look)
        beside = [asyncio.create_task(loop) for loop in self._loops()]
        try:
            async with endpoint.serving(self._config.health_port, self._lookout, self._data.path):
                await self._live_all(unfinished)
        except* SecondAgent:
            await self._be_another()
            raise
        finally:
            for loop in beside:
                loop.cancel()
            await self._parents.close()

    def _loops(self) -> list[Coroutine[None, None, None]]:
        """What goes on beside the robots, and ends with them."""
        return [
            self._stop_when_drained(),
            self._machine.look_for_ever(),
            self._ahead.prepare_for_ever(),
            notify.keep_telling(self._lookout.is_alive, self._lookout.summary),
        ]

    async def _live_all(self, unfinished: list[str]) -> None:
        names = self._config.robot_names
        url, ca_file = self._config.url, self._config.ca_file
        async with session(url, ca_file) as opened, asyncio.TaskGroup() as robots:
            transport = Transport(opened, url)
            for name in names:
                robots.create_task(self._live(transport, name, self._stopping))
            for name in set(unfinished) - set(names):  # robots of ours no more
                robots.create_task(self._finish(transport, name))

    async def _live(self, transport: Transport, name: str, stopping: asyncio.Event) -> bool:
        """Whether it came to work."""
        instance = self._data.journal.instance
        link = Link(transport, name, self._machine_key, instance, self.pulse, self._machine,
                    self._outage, self._life)  # fmt: skip
        try:
            await link.register(self._stopping)
        except GaveUp:
            return False  # it has nothing to finish
        heart = Heart(link, self._ahead)
        if self._lookout.add(heart):
            notify.tell("READY=1", f"STATUS={self._lookout.summary()}")
        async with asyncio.TaskGroup() as loops:
            beating = loops.create_task(heart.beat_for_ever())
            fence = loops.create_task(heart.fence_for_ever())
            await Work(self._workplace(link, heart, stopping)).run()
            # Only now: the heart beats until the last report is in.
            beating.cancel()
            fence.cancel()
        link.leave()
        del self._lookout.hearts[name]
        return True

    async def _finish(self, transport: Transport, name: str) -> None:
        if not await self._live(transport, name, _is_set()):
            return
        try:
            await self._data.journal.forget(name)
        except Unwritable as error:
            log.warning("%s The next start looks after robot %s again.", error, name)

    async def _be_another(self) -> None:
        """So that the server knows this folder for that of the second agent, should it be started
        again while the first one is at work."""
        try:
            await self._data.journal.renew_identity()
        except Unwritable as error:
            log.warning("%s", error)

    def drain(self) -> None:
        """Finish the jobs, take no more."""
        if not self._stopping.is_set():
            log.info("Stopping: running jobs are finished, no more are taken.")
            self._stopping.set()
            notify.tell("STOPPING=1")

    def stop(self) -> None:
        """The first time: finish the jobs, within `finish_minutes`. Again: end them too."""
        if self._is_signaled:
            self._end_jobs()
            return
        self._is_signaled = True
        self.drain()
        if minutes := self._config.finish_minutes:
            asyncio.get_running_loop().call_later(minutes * 60, self._end_jobs)

    def _end_jobs(self) -> None:
        log.warning("Stopping at once: running jobs are ended.")
        self._hurry.set()
        for heart in self._lookout.hearts.values():
            if heart.running is not None:
                heart.running.order.stop(Reason.OPERATOR)

    async def _stop_when_drained(self) -> None:
        while not await asyncio.to_thread(self._data.drain.exists):  # noqa: ASYNC110 -- no event
            await asyncio.sleep(DRAIN_LOOK_SECONDS)
        self.drain()

    def _workplace(self, link: Link, heart: Heart, stopping: asyncio.Event) -> Workplace:
        return Workplace(
            link=link,
            heart=heart,
            url=self._config.url,
            jobs=self._data.jobs,
            packages=self._data.packages,
            shelf=self._shelf,
            parents=self._parents,
            journal=self._data.journal,
            reserve=self._data.reserve,
            limits=self._config.limits,
            life=self._life,
            stopping=stopping,
            hurry=self._hurry,
        )

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            if sys.platform == "win32":
                signal.signal(number, _in(loop, self.stop))
            else:
                loop.add_signal_handler(number, self.stop)


def _is_set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _in(loop: asyncio.AbstractEventLoop, deed: Callable[[], None]) -> Callable[..., None]:
    def handler(*_: object) -> None:
        loop.call_soon_threadsafe(deed)

    return handler
