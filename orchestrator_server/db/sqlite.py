"""SQLite: one connection that writes, a few that read, each on its own thread."""

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Concatenate, ParamSpec, TypeVar, cast

import aiosqlite

from orchestrator_server.db.group_commit import GroupCommit, Unit
from orchestrator_server.db.outcome import Outcome
from orchestrator_server.db.sqlite_thread import (
    Clock,
    commit_together,
    look,
    on_thread,
)
from orchestrator_server.db.transaction import Transaction

P = ParamSpec("P")
R = TypeVar("R")

WORDS = {
    "identity": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "timestamp": "TEXT",
    "json": "TEXT",
}
READERS = 3
# Before 3.51.3 a checkpoint by one connection can race with a write by another; so the one
# connection that writes is also the only one that checkpoints. https://sqlite.org/wal.html
_BOTH = (
    "busy_timeout = 5000",  # ours is the only writer, but a backup may look in
    "mmap_size = 0",  # whatever SQLite was built with: mapped, a race would be written back
)
_WRITER = (*_BOTH, "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
_READER = (*_BOTH, "query_only = ON", "wal_autocheckpoint = 0")


class SqliteDatabase:
    dialect = "sqlite"
    words = WORDS

    def __init__(
        self,
        writer: aiosqlite.Connection,
        readers: list[aiosqlite.Connection],
        connections: AsyncExitStack,
        clock: Clock,
    ) -> None:
        self._writer = writer
        self._free_readers: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for reader in readers:
            self._free_readers.put_nowait(reader)
        self._connections = connections
        self._clock = clock
        self._group = GroupCommit(self._commit)

    @classmethod
    async def open(cls, path: str, clock: Clock) -> "SqliteDatabase":
        async with AsyncExitStack() as connections:  # closes what it has if the next one fails
            writer = await _connect(connections, path, _WRITER)
            readers = [await _connect(connections, path, _READER) for _ in range(READERS)]
            return cls(writer, readers, connections.pop_all(), clock)

    @property
    def urgent(self) -> "SqliteDatabase":
        return self  # whoever waits is committed with the next batch

    async def write(
        self, unit: Callable[Concatenate[Transaction, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        # The unit runs on another thread; the context takes the request's id along for its logs.
        run = contextvars.copy_context().run
        outcome = await self._group.join(lambda tx: run(unit, tx, *args, **kwargs))
        return cast(R, outcome.unwrap())

    async def read(
        self, unit: Callable[Concatenate[Transaction, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        run = contextvars.copy_context().run
        reader = await self._free_readers.get()
        try:
            outcome = await on_thread(
                reader, look, lambda tx: run(unit, tx, *args, **kwargs), self._clock
            )
        finally:
            self._free_readers.put_nowait(reader)  # if we were cancelled, the next one queues
        return cast(R, outcome.unwrap())

    async def close(self) -> None:
        """Commit what is waiting, then end every thread, whatever happened."""
        try:
            await self._group.finish()
        finally:
            await self._connections.aclose()

    async def _commit(self, units: list[Unit]) -> list[Outcome]:
        return await on_thread(self._writer, commit_together, units, self._clock)


async def _connect(
    connections: AsyncExitStack, path: str, pragmas: tuple[str, ...]
) -> aiosqlite.Connection:
    # isolation_level=None: no transaction begins behind our back.
    connecting = aiosqlite.connect(path, isolation_level=None)
    connection = await connections.enter_async_context(connecting)
    for pragma in pragmas:
        await connection.execute(f"PRAGMA {pragma}")
    return connection
