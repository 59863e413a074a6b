"""The whole agent: for each robot a heart and a pair of hands."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

import aiohttp

from robot_agent.config import Config
from robot_agent.data_folder import DataFolder
from robot_agent.heartbeat import Heart
from robot_agent.job_runner import Workplace
from robot_agent.link import Link
from robot_agent.work import Work
from sdk.contract.jobs import Reason
from sdk.retry import GaveUp
from sdk.running import family
from sdk.running.environment import mark_of
from sdk.transport import Transport

log = logging.getLogger(__name__)


class Agent:
    def __init__(self, config: Config, machine_key: str, data: DataFolder) -> None:
        self._config = config
        self._machine_key = machine_key
        self._data = data
        self._hearts: list[Heart] = []
        self._stopping = asyncio.Event()  # finish the job, take no more
        self._hurry = asyncio.Event()  # end the job too

    async def run(self) -> None:
        """Work until asked to stop, or until one of the loops fails, which ends them all."""
        self._listen_to_signals()
        # Scripts of an earlier life may have outlived it; their jobs are over.
        swept = await asyncio.to_thread(family.sweep, mark_of(self._data.jobs))
        if swept.killed:
            log.warning(
                "Killed %d processes that an earlier life of this agent left.", swept.killed
            )
        async with self._session() as session:
            transport = Transport(session, self._config.url)
            async with asyncio.TaskGroup() as robots:
                for name in self._config.robot_names:
                    link = Link(transport, name, self._machine_key, self._data.instance)
                    robots.create_task(self._live(link), name=f"robot {name}")

    async def _live(self, link: Link) -> None:
        try:
            await link.register(self._stopping)
        except GaveUp:
            return  # it has nothing to finish
        heart = Heart(link)
        self._hearts.append(heart)
        place = Workplace(
            link=link,
            heart=heart,
            url=self._config.url,
            jobs=self._data.jobs / str(link.robot_id),
            packages=self._data.packages,
            hurry=self._hurry,
        )
        async with asyncio.TaskGroup() as loops:
            beating = loops.create_task(heart.beat_for_ever())
            fence = loops.create_task(heart.fence_for_ever())
            await Work(place, self._stopping).run()
            # Only now: the heart beats until the last report is in.
            beating.cancel()
            fence.cancel()

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


def _in(loop: asyncio.AbstractEventLoop, deed: Callable[[], None]) -> Callable[..., None]:
    def handler(*_: object) -> None:
        loop.call_soon_threadsafe(deed)

    return handler
