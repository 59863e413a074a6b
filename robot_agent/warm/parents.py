"""The parents of warm starts on this machine: one for each environment and its modules."""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from robot_agent.environments.shelf import Environment
from robot_agent.warm import parent as program
from robot_agent.warm import wire
from robot_agent.warm.child import WarmChild
from sdk.running import proc
from sdk.running.environment import FOR_PYTHON, RESULT_VARIABLE, inherited
from sdk.running.family import Family
from sdk.running.launch import SAME, Launch
from sdk.running.orphans import birth, forget, spare
from sdk.running.process import Start

if sys.platform != "win32":
    from sdk.running.posix_family import launched

assert sys.platform != "win32"  # noqa: S101 -- for mypy, which then skips this file there

PROGRAM = Path(program.__file__)
READY_SECONDS = 60.0  # to load the modules
JOBS = 500  # then it is replaced, whatever its modules keep
GROWTH_BYTES = 64 * 1024 * 1024  # and when it has grown by so much
MOST_PARENTS = 8  # the one that was not needed for longest goes
MARK_BYTES = 1024  # room for the folder of a job

log = logging.getLogger(__name__)


class NoWarmStart(Exception):
    """The parent cannot be started, or is gone; the message says why."""


class MayHaveStarted(Exception):
    """Nobody can tell whether the script began, so it must not be begun again."""


class Key(NamedTuple):
    python: Path
    inode: int  # of the environment: another one in its place needs another parent
    preload: tuple[str, ...]
    launch: Launch = SAME


class Parent:
    """One of them, once it is ready."""

    def __init__(
        self, process: asyncio.subprocess.Process, connection: socket.socket, launch: Launch = SAME
    ) -> None:
        self.jobs = 0
        self._launch = launch
        self.process = process
        self._connection = connection
        self._children: dict[int, WarmChild] = {}
        self._born: asyncio.Queue[WarmChild | None] = asyncio.Queue()  # None: there are no more
        self._is_retired = False
        self._forking = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None
        self._first_bytes = 0

    @classmethod
    async def start(cls, key: Key, folder: Path) -> "Parent":
        """NoWarmStart if it does not come up, because a module cannot be loaded for example."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            argv = [str(key.python), str(PROGRAM), str(theirs.fileno()), *key.preload]
            with birth():
                process = await asyncio.create_subprocess_exec(
                    *launched(argv), cwd=folder,
                    env=_environment(os.environ, folder) | key.launch.variables(),
                    pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                    start_new_session=True, **key.launch.options(),
                )  # fmt: skip
                spare(process.pid)
        parent = cls(process, ours, key.launch)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await wire.receive(ours)
        except (EOFError, OSError, TimeoutError) as error:
            said = await parent._last_words()
            raise NoWarmStart(f"it ended before it was ready: {said}") from error
        parent._first_bytes = proc.memory_bytes(process.pid)
        parent._listening = asyncio.create_task(parent._listen())
        return parent

    @property
    def is_worn(self) -> bool:
        grown = proc.memory_bytes(self.process.pid) - self._first_bytes
        return self.process.returncode is not None or self.jobs >= JOBS or grown > GROWTH_BYTES

    @property
    def is_busy(self) -> bool:
        return bool(self._children) or self._forking.locked()

    async def fork(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: BinaryIO
    ) -> WarmChild:
        """NoWarmStart if it is gone."""
        request = json.dumps({"argv": argv, "cwd": str(cwd), "env": dict(env)}).encode()
        async with self._forking:
            self.jobs += 1
            try:
                await wire.send(self._connection, request, output.fileno())
            except OSError as error:  # it has not heard all of it, so it has done nothing
                raise NoWarmStart(f"it is gone: {error!r}") from error
            try:
                async with asyncio.timeout(READY_SECONDS):
                    child = await self._born.get()
            except BaseException:  # whose child comes next would not be known any more
                await self.end()
                raise
        if child is None:
            raise MayHaveStarted("The parent of warm starts ended while it forked the script.")
        return child

    async def retire(self) -> None:
        """Fork no more, and end with the last child."""
        self._is_retired = True
        if not self.is_busy:
            await self.end()

    async def end(self) -> None:
        """Its children end with it."""
        if self.process.returncode is None:
            self.process.kill()
        if self._listening is not None:
            await asyncio.wait({self._listening})

    async def _listen(self) -> None:
        """Until it is gone."""
        with suppress(EOFError, OSError):
            while True:
                told = await wire.receive(self._connection)
                if pid := told.get("started"):
                    child = self._children[pid] = WarmChild.of(self._launch, pid)
                    self._born.put_nowait(child)
                elif (pid := told.get("ended")) in self._children:
                    self._children.pop(pid).end(told.get("code", -signal.SIGKILL))
                    if self._is_retired and not self.is_busy:
                        self.process.kill()
        with suppress(ProcessLookupError):  # else what it sends cannot be understood, or is not so
            self.process.kill()
        for child in self._children.values():
            child.end(-signal.SIGKILL)
        self._children.clear()
        self._born.put_nowait(None)
        await self.process.communicate()
        forget(self.process.pid)
        self._connection.close()

    async def _last_words(self) -> str:
        if self.process.returncode is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.process.wait()
        if self.process.returncode is None:
            self.process.kill()
        _, errors = await self.process.communicate()
        forget(self.process.pid)
        self._connection.close()
        return errors.decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"


class Parents:
    """Made when they are needed, replaced when they are worn."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._there: dict[Key, Parent] = {}  # the one that was needed last comes last
        self._refused: set[Key] = set()  # those that did not come up
        self._changing = asyncio.Lock()

    def start_of(
        self, environment: Environment, preload: Sequence[str], launch: Launch = SAME
    ) -> Start:
        """Starts as `Family.start` does, warm if it can."""

        async def start(
            argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: BinaryIO, mark: str
        ) -> Family:
            try:
                parent = await self._parent(environment, tuple(preload), launch)
                launch.give(output.fileno())
                child = await parent.fork(argv[1:], cwd, env, output)
            except NoWarmStart as error:
                log.warning("A warm start is not possible, so it is a cold one: %s", error)
                return await Family.start(
                    argv, cwd=cwd, env=env, output=output, mark=mark, launch=launch
                )
            return Family.around(child, mark)

        return start

    async def close(self) -> None:
        for parent in self._there.values():
            await parent.end()
        self._there.clear()

    async def _parent(
        self, environment: Environment, preload: tuple[str, ...], launch: Launch
    ) -> Parent:
        key = Key(environment.python, environment.folder.stat().st_ino, preload, launch)
        async with self._changing:
            if key in self._refused:
                raise NoWarmStart("it did not come up before, and nothing has changed since")
            parent = self._there.pop(key, None)
            if parent is not None and parent.is_worn:
                await parent.retire()
                parent = None
            self._there[key] = parent or await self._new(key)
            return self._there[key]

    async def _new(self, key: Key) -> Parent:
        """Those of an environment that was replaced, and the one unused for longest, retire."""
        replaced = [k for k in self._there if k.python == key.python and k.inode != key.inode]
        most = MOST_PARENTS - 1 + len(replaced)
        for old in [*replaced, *list(self._there)[: max(0, len(self._there) - most)]]:
            if old in self._there:
                await self._there.pop(old).retire()
        try:
            return await Parent.start(key, self._folder)
        except NoWarmStart:
            self._refused.add(key)
            raise


def _environment(own: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What every script has in its environment, and room for the mark of a job."""
    room = f"{folder}{os.sep}".ljust(MARK_BYTES, ".")
    return {**inherited(own), **FOR_PYTHON, RESULT_VARIABLE: room}
