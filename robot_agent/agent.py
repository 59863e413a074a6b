"""The whole agent: for each robot a heart and a pair of hands."""

import asyncio
import logging
import secrets
import signal
import sys
from collections.abc import Callable

import aiohttp

from robot_agent import recovery
from robot_agent.config import Config
from robot_agent.data_folder import DataFolder
from robot_agent.heartbeat import Heart
from robot_agent.link import Link
from robot_agent.pulse import Pulse
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
        self._config = config
        self._machine_key = machine_key
        self._data = data
        self._life = secrets.token_urlsafe(16)
        self._hearts: list[Heart] = []
        self._stopping = asyncio.Event()  # finish the job, take no more
        self._hurry = asyncio.Event()  # end the job too

    async def run(self) -> None:
        """Work until asked to stop, or until one of the loops fails, which ends them all."""
        self._listen_to_signals()
        unfinished = await recovery.take_stock(self._data.journal, self._data.jobs)
        names = self._config.robot_names
        draining = asyncio.create_task(self._stop_when_drained())
        try:
            async with self._session() as session, asyncio.TaskGroup() as robots:
                transport = Transport(session, self._config.url)
                for name in names:
                    robots.create_task(self._live(transport, name, self._stopping))
                for name in set(unfinished) - set(names):  # robots of ours no more
                    robots.create_task(self._live(transport, name, _is_set()))
        finally:
            draining.cancel()

    async def _live(self, transport: Transport, name: str, stopping: asyncio.Event) -> None:
        link = Link(transport, name, self._machine_key, self._data.journal.instance, self.pulse)
        try:
            await link.register(self._stopping)
        except GaveUp:
            return  # it has nothing to finish
        heart = Heart(link)
        self._hearts.append(heart)
        async with asyncio.TaskGroup() as loops:
            beating = loops.create_task(heart.beat_for_ever())
            fence = loops.create_task(heart.fence_for_ever())
            await Work(self._workplace(link, heart), stopping).run()
            # Only now: the heart beats until the last report is in.
            beating.cancel()
            fence.cancel()
        link.leave()

    def stop(self) -> None:
        """The first time: finish the job, take no more. Again: end the job too."""
        if not self._stopping.is_set():
            log.info("Stopping: running jobs are finished, no more are taken.")
            self._stopping.set()
            return
        log.warning("Stopping at once: running jobs are ended.")
        self._hurry.set()
        for heart in self._hearts:
            if heart.running is not None:
                heart.running.order.stop(Reason.OPERATOR)

    async def _stop_when_drained(self) -> None:
        while not await asyncio.to_thread(self._data.drain.exists):  # noqa: ASYNC110 -- no event
            await asyncio.sleep(DRAIN_LOOK_SECONDS)
        if not self._stopping.is_set():
            self.stop()

    def _workplace(self, link: Link, heart: Heart) -> Workplace:
        return Workplace(
            link=link,
            heart=heart,
            url=self._config.url,
            jobs=self._data.jobs,
            packages=self._data.packages,
            journal=self._data.journal,
            reserve=self._data.reserve,
            limits=self._config.limits,
            life=self._life,
            hurry=self._hurry,
        )

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # No limit: a heartbeat must never queue behind downloads and long polls.
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,  # HTTPS_PROXY and its kin
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
