"""What the agent has begun, written down before it is done, so that a crash at any moment leaves
the truth: a SQLite file beside the agent, one row for each robot that has a job or asks for one.

    CLAIMING ──► STARTING ──► STARTED ──► EXITED ──► CLAIMING, or STARTING of the next job, which
    ask again    never start again        report     may come with the answer to the report
    with the     what is left is killed   again
    same key     and told

What is asked for with a key that is not here was not begun here.
"""

import asyncio
import secrets
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from robot_agent.exits import AgentExit, Status
from robot_agent.reserve import Reserve
from sdk.contract.runner import JobReport
from sdk.failpoints import failpoint

LAZY_SECONDS = 0.01

_SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (instance TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS begun (
    robot     TEXT PRIMARY KEY,
    claim_key TEXT NOT NULL,
    state     TEXT NOT NULL,
    robot_id  INTEGER,
    job_id    INTEGER,
    attempt   INTEGER,
    report    BLOB
) WITHOUT ROWID;
"""


class State(StrEnum):
    CLAIMING = "claiming"  # a job may have been granted to this key
    STARTING = "starting"  # the script may have started
    STARTED = "started"  # the script has started
    EXITED = "exited"  # the script has ended; this is the report, with the key of the next job


class Attempt(NamedTuple):
    job_id: int
    number: int


NO_ATTEMPT = Attempt(0, 0)


class Entry(msgspec.Struct, frozen=True):
    robot: str
    claim_key: str
    state: State
    robot_id: int = 0  # from STARTING on
    job_id: int = 0
    attempt: int = 0
    report: JobReport | None = None

    @property
    def of(self) -> Attempt:
        """The attempt; in CLAIMING, the one that was ended before."""
        return Attempt(self.job_id, self.attempt)


@dataclass(frozen=True, slots=True)
class _Write:
    sql: str
    values: tuple[object, ...]
    durable: bool
    outcome: asyncio.Future[Exception | None]


class Unwritable(Exception):
    """The journal cannot be written; nothing may be begun that it does not know of."""


class Journal:
    """Each method returns when the row is written; on a thread of its own, as it waits for disks.
    Rows that come while it waits are written together: one wait for all of them.

    CLAIMING, STARTING and EXITED wait until the row is on the disk. The others wait a moment for
    one of these, to be written with it; what a cut of power may take of them changes nothing: a
    script that is lost as STARTED is found as STARTING, and a report that is sent again gets the
    answer it got.
    """

    def __init__(self, path: Path, reserve: Reserve) -> None:
        self._reserve = reserve
        self._waiting: list[_Write] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        try:
            self._db = self._thread.submit(open_file, path).result()
            self.instance = self._thread.submit(self._identity).result()
        except sqlite3.Error as error:
            self._thread.shutdown()
            raise AgentExit(
                Status.CONFIG,
                f"The journal {path} cannot be read ({error}). Its robots' jobs are told as lost "
                "when their leases end; move it away to begin a new one.",
            ) from error

    def close(self) -> None:
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()

    def entries(self) -> list[Entry]:
        """What an earlier life left, by robot."""
        return self._thread.submit(read_entries, self._db).result()

    async def claiming(self, robot: str, claim_key: str, ended: Attempt = NO_ATTEMPT) -> None:
        """`ended` is the attempt that this robot ended last: it is not to be taken for the attempt
        of another agent, should the server still have it as running."""
        entry = Entry(robot, claim_key, State.CLAIMING, 0, ended.job_id, ended.number)
        await self._put(entry, durable=True)

    async def starting(self, entry: Entry) -> None:
        await self._put(msgspec.structs.replace(entry, state=State.STARTING), durable=True)

    async def started(self, entry: Entry) -> None:
        await self._put(msgspec.structs.replace(entry, state=State.STARTED), durable=False)

    async def exited(self, entry: Entry, report: JobReport) -> None:
        ended = msgspec.structs.replace(entry, state=State.EXITED, report=report)
        await self._put(ended, durable=True)

    async def forget(self, robot: str) -> None:
        """It is to ask for nothing more. What it has begun, or is to report, stays."""
        sql = "DELETE FROM begun WHERE robot = ? AND state = ?"
        await self._write(sql, (robot, State.CLAIMING), durable=False)

    async def _put(self, entry: Entry, *, durable: bool) -> None:
        report = entry.report and msgspec.json.encode(entry.report)
        values = (*msgspec.structs.astuple(entry)[:-1], report)
        sql = "INSERT OR REPLACE INTO begun VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._write(sql, values, durable=durable)

    async def _write(self, sql: str, values: tuple[object, ...], *, durable: bool) -> None:
        loop = asyncio.get_running_loop()
        write = _Write(sql, values, durable, loop.create_future())
        self._waiting.append(write)
        if durable:
            self._begin()
        else:
            loop.call_later(LAZY_SECONDS, self._begin)
        if (error := await write.outcome) is not None:
            raise Unwritable(f"The journal cannot be written: {error}.") from error

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        """While some are written the next ones gather: a robot that is alone never waits."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                errors = await loop.run_in_executor(self._thread, self._write_all, batch)
            except Exception as error:  # nobody may wait for ever, or believe it was written
                errors = [error] * len(batch)
            for write, outcome in zip(batch, errors, strict=True):
                if not write.outcome.done():  # else its caller was canceled
                    write.outcome.set_result(outcome)

    def _write_all(self, batch: list[_Write]) -> list[Exception | None]:
        try:
            self._write_once(batch)
        except Exception:
            self._reserve.spend()  # the disk may be full: there is room for this
            # One by one, so that one that does not fit harms no other.
            return [self._error_of(write) for write in batch]
        return [None] * len(batch)

    def _error_of(self, write: _Write) -> Exception | None:
        try:
            self._write_once([write])
        except Exception as error:
            return error
        return None

    def _write_once(self, batch: list[_Write]) -> None:
        failpoint("journal.write")
        # FULL flushes the log at each commit, NORMAL at the next one that is FULL.
        durable = any(write.durable for write in batch)
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for write in batch:
                self._db.execute(write.sql, write.values)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    async def renew_identity(self) -> None:
        """Be another agent from the next start on: the folder is a copy of another agent's."""
        sql = "UPDATE identity SET instance = ?"
        await self._write(sql, (secrets.token_urlsafe(16),), durable=True)

    def _identity(self) -> str:
        """One id for each journal: by it the server tells a restarted agent from another one."""
        row = self._db.execute("SELECT instance FROM identity").fetchone()
        if row is not None:
            return str(row[0])
        instance = secrets.token_urlsafe(16)
        self._db.execute("INSERT INTO identity VALUES (?)", (instance,))
        return instance


def open_file(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)  # each statement is its own transaction
    try:
        path.chmod(0o600)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
    except BaseException:
        db.close()
        raise
    return db


def read_entries(db: sqlite3.Connection) -> list[Entry]:
    return [_entry(row) for row in db.execute("SELECT * FROM begun ORDER BY robot")]


def _entry(row: tuple[Any, ...]) -> Entry:
    robot, key, state, robot_id, job_id, attempt, report = row
    known = report and msgspec.json.decode(report, type=JobReport)
    return Entry(robot, key, State(state), robot_id, job_id, attempt, known)
