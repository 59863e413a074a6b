"""The environments on this machine: each built once, lent to jobs, thrown away when too old."""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from robot_agent.environments import (
    build,
    composed,
    eviction,
    folders,
    ownership,
    pythons,
    unasked,
    uv,
    venvs,
)
from robot_agent.environments.brought import Tools
from robot_agent.environments.composed import Make
from robot_agent.environments.folders import PART, READY
from robot_agent.environments.naming import name_of
from robot_agent.environments.uv import UvFailed
from robot_agent.exits import JobFailed
from sdk.contract.jobs import Reason
from sdk.running import needs
from sdk.running.command import LAUNCHER
from sdk.running.files import Unreadable
from sdk.running.launch import SAME, Launch, helpers_as

__all__ = ["READY", "Environment", "Shelf"]

log = logging.getLogger(__name__)


class Environment(NamedTuple):
    folder: Path

    @property
    def python(self) -> Path:
        return venvs.python_of(self.folder)

    def variables(self, path: str) -> dict[str, str]:
        """As after its activation, for what the script starts by name."""
        return {
            "VIRTUAL_ENV": str(self.folder),
            "PATH": os.pathsep.join([str(self.python.parent), *([path] if path else [])]),
        }


class Shelf:
    def __init__(
        self,
        folder: Path,
        *,
        most_bytes: int = 0,
        unused_days: int = 0,
        launch: Launch = SAME,
    ) -> None:
        """What is over `most_bytes` or unused for so many days is thrown away; 0: never. `launch`:
        of the scripts that the environments are for, and of what builds them."""
        self.launch = launch
        self._folder = folder
        self._cache = folder / "uv-cache"  # on the same disk
        self._runtime = folder / "runtime"
        self._most_bytes = most_bytes
        self._unused_days = unused_days
        self._lent: Counter[Path] = Counter()
        self._looking = asyncio.Lock()  # nothing is thrown away while somebody looks for it
        self._building: dict[Path, asyncio.Task[None]] = {}
        self._needs: dict[tuple[str, str], needs.Needs] = {}  # by package and script
        self._pythons: dict[str, Path] = {}  # by what was asked for

    @property
    def launcher(self) -> Path:
        """What calls a function of a script, beside the `sdk.runtime` that scripts import."""
        return self._runtime / "sdk" / "runtime" / LAUNCHER.name

    async def lay_out(self) -> None:
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(venvs.write_runtime, self._runtime)
        await asyncio.to_thread(ownership.lay_out, self.launch, self._folder, self._cache)

    async def open(self) -> None:
        """By the agent alone, before jobs: what an earlier life left half done, or too old, is
        thrown away."""
        await self.lay_out()
        for folder in self._folder.glob(f"*{PART}"):
            await asyncio.to_thread(folders.remove, folder)
        await self._tidy()

    @asynccontextmanager
    async def lend(
        self, package: str, work: Path, script: Path, *, may_build: bool = True
    ) -> AsyncIterator[Environment]:
        """The environment that a script of that package (its SHA-256), unpacked in `work`, needs;
        built if need be, and there for as long as it is lent.

        Without `may_build`, none is built that would take running code of a package.
        JobFailed(environment_failed) says, in uv's words, why it cannot be built.
        """
        wanted = await self._needs_of(package, work, script)
        python = await self._python(wanted.python)
        make = partial(self._make, wanted, work, python, may_build)
        async with self._lending(self._folder / name_of(wanted, python), make) as folder:
            yield Environment(folder)

    @asynccontextmanager
    async def _lending(self, folder: Path, make: Make) -> AsyncIterator[Path]:
        self._lent[folder] += 1
        try:
            while not await self._is_ready(folder):
                await self._build_once(folder, make)
            yield folder
        finally:
            self._lent[folder] -= 1

    async def _needs_of(self, package: str, work: Path, script: Path) -> needs.Needs:
        key = package, _path_in(work, script)
        if key not in self._needs:  # a lock is long, and read slowly
            try:
                self._needs[key] = await asyncio.to_thread(needs.of, work, script)
            except Unreadable as error:
                raise JobFailed(Reason.ENVIRONMENT_FAILED, str(error)) from error
            except Exception as error:  # whatever is in them: the agent goes on
                log.exception("The needs of a package cannot be read.")
                said = f"What the package needs cannot be read: {error!r}."
                raise JobFailed(Reason.ENVIRONMENT_FAILED, said[:1000]) from error
        return self._needs[key]

    async def _python(self, specifier: str) -> Path:
        if specifier not in self._pythons or not self._pythons[specifier].exists():
            with helpers_as(self.launch):
                self._pythons[specifier] = await pythons.find(specifier, self._cache)
        return self._pythons[specifier]

    async def _is_ready(self, folder: Path) -> bool:
        async with self._looking:
            if folders.is_ready(folder):
                return True
            if folders.is_complete(folder):  # something of it is gone from this machine
                await asyncio.to_thread(folders.throw_away, folder)
            return False

    async def _build_once(self, folder: Path, make: Make) -> None:
        """All others that need it wait for the same build, and try it too if that one fails: it
        may have failed because its job was stopped, and the job's folder removed."""
        task = self._building.get(folder)
        if task is not None:
            await asyncio.wait({task})
            return
        task = asyncio.create_task(self._build(folder, make))
        self._building[folder] = task
        task.add_done_callback(lambda _: self._building.pop(folder, None))
        await asyncio.wait({task})  # it goes on if we are stopped: others may wait for it
        task.result()

    async def _build(self, folder: Path, make: Make) -> None:
        began = time.monotonic()
        beside = folders.beside(folder)
        try:
            with helpers_as(self.launch):
                ownership.make(beside)
                await make(beside, folder)
            await asyncio.to_thread(ownership.take, self.launch, beside)
            await asyncio.to_thread(folders.complete, beside, folder)
        except OSError as error:
            said = f"The environment cannot be completed: {error}"
            raise JobFailed(Reason.ENVIRONMENT_FAILED, said) from error
        finally:
            await asyncio.to_thread(folders.remove, beside)
        log.info("Environment %s is built, in %.1f s.", folder.name, time.monotonic() - began)
        await self._tidy()

    async def _make(
        self, wanted: needs.Needs, work: Path, python: Path, may_build: bool,
        beside: Path, folder: Path,
    ) -> None:  # fmt: skip
        tools = Tools(python, self._cache, self._runtime)
        try:
            if not may_build and (why := unasked.hindrance(wanted, os.environ)):
                raise UvFailed(why)
            if not wanted.brings:
                await build.build(
                    beside, wanted, work, python,
                    place=folder, runtime=self._runtime, cache=self._cache, may_build=may_build,
                )  # fmt: skip
            else:
                await composed.build(beside, wanted, work, tools, place=folder, share=self._share)
        except JobFailed:
            raise
        except Exception as error:  # whatever is in its files: the agent goes on
            if not isinstance(error, UvFailed | Unreadable | OSError | ValueError):
                log.exception("An environment cannot be built.")
            what = wanted.file or "nothing but Python"
            raise JobFailed(
                Reason.ENVIRONMENT_FAILED,
                f"The environment of the package ({what}) cannot be built: {error}",
            ) from error

    def _share(self, name: str, make: Make) -> AbstractAsyncContextManager[Path]:
        return self._lending(self._folder / name, make)

    async def _tidy(self) -> None:
        """Throw away uv's cache, and then the oldest environments that are not in use, until the
        rest is small and young enough."""
        await self._empty_cache()
        async with self._looking:
            lent = {folder for folder, times in self._lent.items() if times}
            await asyncio.to_thread(
                eviction.evict, self._folder, lent, self._most_bytes, self._unused_days
            )

    async def _empty_cache(self) -> None:
        """If it does not fit in beside the environments; not while another build needs it."""
        if not self._most_bytes or len(self._building) > 1:
            return
        size = await asyncio.to_thread(folders.size, self._cache)
        known = await asyncio.to_thread(folders.last_uses, self._folder)
        if size and size + sum(map(folders.noted_size, known)) > self._most_bytes:
            log.info("uv's cache is emptied: %d MiB.", size // 1024**2)
            try:
                await uv.run("cache", "clean", cwd=self._folder, cache=self._cache,
                             UV_LOCK_TIMEOUT="10", UV_CACHE_DIR=str(self._cache))  # fmt: skip
            except (UvFailed, JobFailed) as error:  # in use beside us, or without uv
                log.info("uv's cache is not emptied: %s", error)


def _path_in(work: Path, script: Path) -> str:
    if script.is_relative_to(work):
        return str(script.relative_to(work))
    return str(script.relative_to(work.resolve()))  # a link leads there
