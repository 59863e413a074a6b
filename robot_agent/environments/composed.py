"""Builds the environment of a package that brings code to install: its own, on a shared one."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from robot_agent.environments import brought, folders, overlay, ownership, pylock, venvs
from robot_agent.environments.brought import Room, Tools
from robot_agent.environments.install import install
from robot_agent.environments.pylock import Entry
from sdk.running.needs import Needs

Make = Callable[[Path, Path], Awaitable[None]]  # in a folder beside its place
Share = Callable[[str, Make], AbstractAsyncContextManager[Path]]

log = logging.getLogger(__name__)


async def build(
    folder: Path, needs: Needs, work: Path, tools: Tools, *, place: Path, share: Share
) -> None:
    """Make `folder`, which is to be moved to `place` then.

    `share` lends the environment of a name, made if need be: what indexes, URLs and repositories
    give, at the versions that suit the package too. Raises UvFailed or Unreadable.
    """
    async with brought.copied(work, place.parent) as room:
        await _create(folder, place, room, tools)
        lock = await brought.resolve(room, needs, venvs.version_of(folder), tools)
        local = await brought.wheels(room, lock.local, tools)
        if lock.shared:
            name = _name(lock.shared, needs, tools.python)
            make = partial(_make_shared, lock.shared, room, tools)
            async with share(name, make) as shared:
                await overlay.fill(folder, local, room, tools)
                objection = await asyncio.to_thread(overlay.put_on, folder, shared)
            if objection is None:
                return
            log.warning("Environment %s shares nothing with others: %s.", place.name, objection)
            await asyncio.to_thread(folders.remove, folder)
            ownership.make(folder)
            await _create(folder, place, room, tools)
        await _sync(folder, [*lock.shared, *local], room, tools)
        venvs.add_runtime(folder, tools.runtime)


async def _create(folder: Path, place: Path, room: Room, tools: Tools) -> None:
    await venvs.create(folder, room.package, tools.python, place=place, cache=tools.cache)


async def _make_shared(
    entries: list[Entry], room: Room, tools: Tools, folder: Path, place: Path
) -> None:
    await _create(folder, place, room, tools)
    await _sync(folder, entries, room, tools)
    venvs.add_runtime(folder, tools.runtime)


async def _sync(folder: Path, entries: list[Entry], room: Room, tools: Tools) -> None:
    lock = room.folder / "pylock.all.toml"
    await asyncio.to_thread(pylock.write, lock, entries)
    command = ["pip", "sync", "--allow-empty-requirements",
               "--python", str(venvs.python_of(folder)), str(lock)]  # fmt: skip
    await install(command, folder, room.package, tools.cache, may_build=True)


def _name(shared: list[Entry], needs: Needs, python: Path) -> str:
    """Of the files themselves, and the settings by which uv builds those that are sources."""
    decisive = [pylock.identity(shared), needs.tool, str(python), str(python.stat().st_mtime_ns)]
    return hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:32]
