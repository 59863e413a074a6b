"""The environments on this machine: each built once, lent to jobs, thrown away when too old."""

import asyncio
import hashlib
import logging
import os
import secrets
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from robot_agent.clock import DAY_SECONDS
from robot_agent.environments import build, needs, pythons
from robot_agent.environments.uv import UvFailed
from robot_agent.exits import JobFailed
from sdk.contract.jobs import Reason
from sdk.running import regular_files
from sdk.running.command import LAUNCHER

NOTE_BYTES = 32
READY = "runwright-ready"  # in a folder that is complete: its size, and when it was last used
PART = ".part"  # the end of the name of one that is being built, or thrown away
# What decides where packages come from.
INDEXES = (
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
    *("UV_NO_INDEX", "UV_CONFIG_FILE", "UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER"),
)

log = logging.getLogger(__name__)


class Environment(NamedTuple):
    folder: Path

    @property
    def python(self) -> Path:
        return build.python_of(self.folder)

    def variables(self, path: str) -> dict[str, str]:
        """As after its activation, for what the script starts by name."""
        return {
            "VIRTUAL_ENV": str(self.folder),
            "PATH": os.pathsep.join([str(self.python.parent), *([path] if path else [])]),
        }


class Shelf:
    def __init__(self, folder: Path, *, most_bytes: int = 0, unused_days: int = 0) -> None:
        """What is over `most_bytes` or unused for so many days is thrown away; 0: never."""
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
        await asyncio.to_thread(build.write_runtime, self._runtime)

    async def open(self) -> None:
        """By the agent alone, before jobs: what an earlier life left half done, or too old, is
        thrown away."""
        await self.lay_out()
        for folder in self._folder.glob(f"*{PART}"):
            await asyncio.to_thread(_remove, folder)
        await self._tidy()

    @asynccontextmanager
    async def lend(self, package: str, work: Path, script: Path) -> AsyncIterator[Environment]:
        """The environment that a script of that package (its SHA-256), unpacked in `work`, needs;
        built if need be, and there for as long as it is lent.

        JobFailed(environment_failed) says, in uv's words, why it cannot be built.
        """
        wanted = await self._needs_of(package, work, script)
        python = await self._python(wanted.python)
        folder = self._folder / _name(wanted, python)
        self._lent[folder] += 1
        try:
            while not await self._is_ready(folder):
                await self._build_once(folder, wanted, work, python)
            yield Environment(folder)
        finally:
            self._lent[folder] -= 1

    async def _needs_of(self, package: str, work: Path, script: Path) -> needs.Needs:
        key = package, _path_in(work, script)
        if key not in self._needs:  # a lock is long, and read slowly
            self._needs[key] = await asyncio.to_thread(needs.of, work, script)
        return self._needs[key]

    async def _python(self, specifier: str) -> Path:
        if specifier not in self._pythons or not self._pythons[specifier].exists():
            self._pythons[specifier] = await pythons.find(specifier, self._cache)
        return self._pythons[specifier]

    async def _is_ready(self, folder: Path) -> bool:
        async with self._looking:
            if not (folder / READY).is_file():
                return False
            if not build.python_of(folder).is_file():  # it is gone from this machine
                await asyncio.to_thread(_throw_away, folder)
                return False
            (folder / READY).touch()  # noted as used
            return True

    async def _build_once(
        self, folder: Path, wanted: needs.Needs, work: Path, python: Path
    ) -> None:
        """Whoever else needs it waits for the same build, and tries it too if that one fails: it
        may have failed because its job was stopped, and the job's folder removed."""
        task = self._building.get(folder)
        if task is not None:
            await asyncio.wait({task})
            return
        task = asyncio.create_task(self._build(folder, wanted, work, python))
        self._building[folder] = task
        task.add_done_callback(lambda _: self._building.pop(folder, None))
        await asyncio.wait({task})  # it goes on if we are stopped: others may wait for it
        task.result()

    async def _build(self, folder: Path, wanted: needs.Needs, work: Path, python: Path) -> None:
        began = time.monotonic()
        beside = self._folder / f"{folder.name}-{secrets.token_hex(4)}{PART}"
        try:
            await build.build(
                beside, wanted, work, python,
                place=folder, runtime=self._runtime, cache=self._cache,
            )  # fmt: skip
            await asyncio.to_thread(_complete, beside, folder)
        except (UvFailed, OSError, ValueError) as error:  # a colon in its path is a ValueError
            what = wanted.file or "nothing but Python"
            raise JobFailed(
                Reason.ENVIRONMENT_FAILED,
                f"The environment of the package ({what}) cannot be built: {error}",
            ) from error
        finally:
            await asyncio.to_thread(_remove, beside)
        log.info("Environment %s (%s) is built, in %.1f s.", folder.name, wanted.kind,
                 time.monotonic() - began)  # fmt: skip
        await self._tidy()

    async def _tidy(self) -> None:
        """Throw away the oldest that nobody uses, until the rest is small and young enough."""
        async with self._looking:
            await asyncio.to_thread(self._throw_away_old, [f for f, n in self._lent.items() if n])

    def _throw_away_old(self, in_use: list[Path]) -> None:
        known = sorted(_last_uses(self._folder).items(), key=lambda item: item[1])
        total = sum(_noted_size(folder) for folder, _ in known)
        long_ago = time.time() - self._unused_days * DAY_SECONDS
        for folder, used_at in known:
            is_too_old = self._unused_days and used_at < long_ago
            is_too_much = self._most_bytes and total > self._most_bytes
            if folder not in in_use and (is_too_old or is_too_much):
                total -= _noted_size(folder)
                log.info("Environment %s is thrown away.", folder.name)
                _throw_away(folder)


def _name(wanted: needs.Needs, python: Path) -> str:
    """Of all that decides what would be built; a Python that was updated is another one."""
    told = [wanted.digest, str(python), str(python.stat().st_mtime_ns), sys.platform]
    told += [f"{name}={os.environ.get(name, '')}" for name in INDEXES]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:32]


def _path_in(work: Path, script: Path) -> str:
    if script.is_relative_to(work):
        return str(script.relative_to(work))
    return str(script.relative_to(work.resolve()))  # a link leads there


def _complete(beside: Path, folder: Path) -> None:
    (beside / READY).write_text(str(_size(beside)), encoding="ascii")
    if folder.exists():  # without its note: it was cut short while it was thrown away
        _throw_away(folder)
    beside.rename(folder)


def _throw_away(folder: Path) -> None:
    """At once for whoever looks, however long the disk takes."""
    gone = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}{PART}")
    folder.rename(gone)
    _remove(gone)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what is left is tried again at the next start


def _last_uses(shelf: Path) -> dict[Path, float]:
    return {note.parent: note.stat().st_mtime for note in shelf.glob(f"*/{READY}")}


def _noted_size(folder: Path) -> int:
    try:
        return int(regular_files.read(folder / READY, NOTE_BYTES))
    except (OSError, ValueError):  # a script can reach it
        return 0


def _size(folder: Path) -> int:
    places = os.walk(folder)  # not rglob, which takes three times as long
    return sum(os.lstat(f"{place}/{name}").st_size for place, _, names in places for name in names)
