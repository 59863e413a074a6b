"""Builds the environment of a package that brings code to install: its own, on a shared one."""

import asyncio
import hashlib
import json
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

# The settings of uv that decide what is resolved, and not how it is built.
_OF_RESOLUTION = {
    *("sources", "workspace", "package", "managed", "index", "find-links", "default-groups"),
    *("dev-dependencies", "constraint-dependencies", "override-dependencies", "environments"),
}
# With these, what a package brings can take part in building what others share.
_OF_BUILDS = ("extra-build-dependencies", "build-constraint-dependencies", "no-build-isolation",
              "no-build-isolation-package")  # fmt: skip

log = logging.getLogger(__name__)


async def build(
    folder: Path, needs: Needs, work: Path, tools: Tools, *, place: Path, share: Share
) -> None:
    """Make `folder`, which is to be moved to `place` then.

    `share` lends the environment of a name, made if need be: what indexes, URLs and repositories
    give, at the versions that suit the package too. Raises UvFailed or Unreadable.
    """
    async with brought.copied(work, place.parent) as room:
        if _builds_in_its_own_way(needs):
            tools = tools._replace(cache=room.folder / "cache")
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


def _builds_in_its_own_way(needs: Needs) -> bool:
    settings = json.loads(needs.tool)
    return any(settings.get(name) for name in _OF_BUILDS)


def _name(shared: list[Entry], needs: Needs, python: Path) -> str:
    """Of the files themselves, and the settings by which uv builds those that are sources."""
    settings = {k: v for k, v in json.loads(needs.tool).items() if k not in _OF_RESOLUTION}
    decisive = [pylock.identity(shared), json.dumps(settings, sort_keys=True)]
    decisive += [str(python), str(python.stat().st_mtime_ns)]
    decisive += [needs.digest] if _builds_in_its_own_way(needs) else []
    return hashlib.sha256("\0".join(decisive).encode()).hexdigest()[:32]
