"""What a package brings itself, resolved together with all that it needs, and built."""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from robot_agent.environments import build, ownership, pylock, uv
from robot_agent.environments.pylock import Entry, Lock
from robot_agent.environments.uv import UvFailed
from sdk.running import brought
from sdk.running.files import Unreadable
from sdk.running.needs import Kind, Needs

LOCK = "pylock.runwright.toml"
_HASH = re.compile(r"--hash[=\s]+(\w+:\w+)")


class Tools(NamedTuple):
    """With what an environment is built."""

    python: Path
    cache: Path
    runtime: Path


class Room(NamedTuple):
    """A copy of a package under a name that was never used before: uv remembers what it has built
    of a folder by the folder's name, and the job's own folder may go away meanwhile."""

    folder: Path  # thrown away in the end

    @property
    def package(self) -> Path:
        return self.folder / "package"


@asynccontextmanager
async def copied(work: Path, place: Path) -> AsyncIterator[Room]:
    room = Room(await asyncio.to_thread(_copy, work, place))
    try:
        yield room
    finally:
        await asyncio.to_thread(shutil.rmtree, room.folder, ignore_errors=True)


async def resolve(room: Room, needs: Needs, version: str, tools: Tools) -> Lock:
    """What is needed, once uv has resolved the package and what it needs as one.

    Raises UvFailed, or Unreadable if something is elsewhere on this machine.
    """
    text = await _lock(room, needs, tools)
    lock = await asyncio.to_thread(pylock.divide, text, room.package, version)
    if not needs.has_hashes:
        return lock
    hashes = frozenset(_HASH.findall(needs.text))
    return Lock(*(pylock.restricted(entries, hashes) for entries in lock))


async def _lock(room: Room, needs: Needs, tools: Tools) -> str:
    if needs.kind is Kind.PYLOCK:
        return await asyncio.to_thread(_text_of, room.package / needs.file)
    # Beside the file itself, as paths in it may be relative to that.
    given = await asyncio.to_thread(build.inputs, needs, (room.package / needs.file).parent)
    into = ["--format", "pylock.toml", "-o", LOCK]
    match needs.kind:
        case Kind.UV_LOCK:
            command = ["export", "--frozen", "--no-dev", "--no-editable"]
        case Kind.SCRIPT:
            command = ["export", "--no-editable", "--script", given.sources[0]]
        case _:
            command = ["pip", "compile", *given.sources]
    try:
        await _run(*command, *into, room=room, tools=tools)
        return await asyncio.to_thread(_text_of, room.package / LOCK)
    finally:
        for file in (*given.written, room.package / LOCK):  # they are no part of the package
            _remove(file)


async def wheels(room: Room, entries: Iterable[Entry], tools: Tools) -> list[Entry]:
    """The same with a wheel in place of each folder or sdist, which is built."""
    return [await _wheel(room, entry, tools) for entry in entries]


async def _wheel(room: Room, entry: Entry, tools: Tools) -> Entry:
    source = entry.get("directory") or entry.get("archive")
    if source is None and not entry.get("wheels"):
        source = entry.get("sdist")
    if source is None or source["path"].endswith(".whl"):
        return entry
    if os.environ.get("UV_NO_BUILD", "").lower() in ("1", "true", "t", "yes", "y", "on"):
        raise UvFailed(f"{entry['name']} would have to be built, and UV_NO_BUILD is set.")
    place = Path(source["path"]) / source.get("subdirectory", "")
    if not await asyncio.to_thread(_is_in, place, room.package):
        raise Unreadable(f"{source['subdirectory']} is outside the package.")
    into = await asyncio.to_thread(_new_folder, room)
    await _run("build", "--wheel", "--out-dir", str(into), str(place), room=room, tools=tools)
    return await asyncio.to_thread(pylock.of_wheel_in, into, entry["name"])


async def _run(*command: str, room: Room, tools: Tools) -> None:
    """Off line, what uv has in its cache is used."""
    command = (*command, "--python", str(tools.python))
    try:
        await uv.run(*command, cwd=room.package, cache=tools.cache)
    except UvFailed as error:
        try:
            await uv.run(*command, "--offline", cwd=room.package, cache=tools.cache)
        except UvFailed:
            raise error from None


def _is_in(place: Path, folder: Path) -> bool:
    return place.resolve().is_relative_to(folder)


@ownership.as_helper
def _text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@ownership.as_helper
def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)


@ownership.as_helper
def _new_folder(room: Room) -> Path:
    return Path(tempfile.mkdtemp(prefix="built-", dir=room.folder))


def _copy(work: Path, place: Path) -> Path:
    return _copied(work, ownership.room_in(place))


@ownership.as_helper
def _copied(work: Path, place: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="package-", suffix=".part", dir=place)).resolve()
    work = work.resolve()
    (folder / "package").mkdir()
    for file in brought.regular_files(work):
        copy = folder / "package" / file.relative_to(work)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return folder
