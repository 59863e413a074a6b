"""Prepares what jobs will need before there is one: the server says which processes have changed.

One after the other, beside the jobs. Unless the server allows it, no code of a package is run for
that: nothing is built from its source. What cannot be prepared is no trouble: the job that needs it
tries again, and says why it cannot be.
"""

import asyncio
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from robot_agent import packages
from robot_agent.environments.shelf import Shelf
from robot_agent.exits import JobFailed
from robot_agent.link import Link
from robot_agent.reserve import Reserve
from sdk.contract.runner import ToPrepare
from sdk.running.command import NoScript, script_in
from sdk.running.launch import Launch

MOST_WAITING = 100  # more than that is prepared when it is needed

log = logging.getLogger(__name__)


class Ahead:
    def __init__(
        self,
        folder: Path,
        archives: Path,
        shelves: Mapping[str, Shelf],
        reserve: Reserve,
        *,
        unused_days: int = 0,
    ) -> None:
        """`shelves`: of each robot. `folder` is for packages unpacked for a moment. Archives
        that are unused for so many days are thrown away; 0: never."""
        self._folder = folder
        self._archives = archives
        self._shelves = shelves
        self._reserve = reserve
        self._unused_days = unused_days
        self._waiting: asyncio.Queue[tuple[Link, ToPrepare]] = asyncio.Queue(MOST_WAITING)
        self._known: set[tuple[Shelf, ToPrepare]] = set()

    def hear(self, link: Link, wanted: list[ToPrepare]) -> None:
        if (shelf := self._shelves.get(link.name)) is None:
            return  # it is a robot of ours no more
        for one in wanted:
            if (shelf, one) not in self._known and not self._waiting.full():
                self._known.add((shelf, one))
                self._waiting.put_nowait((link, one))

    async def prepare_for_ever(self) -> None:
        while True:
            link, wanted = await self._waiting.get()
            try:
                await asyncio.to_thread(packages.throw_away_old, self._archives, self._unused_days)
                if await asyncio.to_thread(self._reserve.trouble) is None:
                    await self._prepare(link, wanted)
                    continue
            except (JobFailed, NoScript, OSError) as error:
                log.info("%s of %s cannot be prepared ahead: %s",
                         wanted.script_path, wanted.package.name, error)  # fmt: skip
            except Exception:  # whatever a package can do, the next one is prepared
                log.exception("%s is not prepared ahead.", wanted.package.name)
            # If the server names it again, it is tried again.
            self._known.discard((self._shelves[link.name], wanted))

    async def _prepare(self, link: Link, wanted: ToPrepare) -> None:
        archive = packages.place_of(self._archives, wanted.package)
        shelf = self._shelves[link.name]
        if not await asyncio.to_thread(packages.is_there, archive, wanted.package):
            await packages.fetch(archive, wanted.package, link)
        try:
            await asyncio.to_thread(self._unpack, archive, shelf.launch)
            script = script_in(self._folder, wanted.script_path)
            sha256, may_build = wanted.package.sha256, wanted.may_build
            async with shelf.lend(sha256, self._folder, script, may_build=may_build):
                log.info("%s of %s is prepared.", wanted.script_path, wanted.package.name)
        finally:
            await asyncio.to_thread(self._clear)

    def _unpack(self, archive: Path, launch: Launch) -> None:
        self._clear()
        self._folder.mkdir(mode=0o700)
        packages.extract(archive, self._folder)
        launch.give_tree(self._folder)  # what builds its environment reads it

    def _clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)  # what is left goes the next time
