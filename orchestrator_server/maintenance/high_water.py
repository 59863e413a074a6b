"""How far the database had come, in a small file beside it: if it went back in time, it shows.

A SQLite database goes back when its -wal is deleted, or an older copy is put in its place; a
PostgreSQL when a standby takes over that had not received all of it, which begins a new timeline.
Then what was acknowledged since is lost, and what ran may run again; nobody can bring it back, so
the server says it, in its log and in the audit trail, and goes on.
"""

from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.errors import Unavailable
from sdk.contract.jobs import JobStatus

sql = queries.load(__package__)
log = structlog.get_logger(__name__)

NAME = "high-water"
TOLD_JOBS = 1000


class Mark(msgspec.Struct, frozen=True):
    event_id: int | None  # of the newest audit event
    is_restored: bool = False  # put there by `orchestrator restore`
    timeline: int = 0  # of PostgreSQL; each standby that takes over begins the next one


class _Told(msgspec.Struct, frozen=True):
    newest_event: int
    known_event: int | None
    waiting_jobs: list[int]  # of these and the next, the first TOLD_JOBS
    running_jobs: list[int]


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Timeline(msgspec.Struct, frozen=True):
    timeline: int


def read(folder: Path) -> Mark | None:
    """None also for a file that a loss of power left without its content."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def write(folder: Path, mark: Mark) -> None:
    """Whole or not at all. Not flushed to disk: an older mark only notices less."""
    beside = folder / f".{NAME}"
    beside.write_bytes(msgspec.json.encode(mark))
    beside.replace(folder / NAME)


class HighWater:
    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._mark = read(folder)
        self._is_file = database.dialect == "sqlite"
        self._tells_timeline = True

    async def look_back(self) -> None:
        """Say so if the database is not as far as it was."""
        known, mark = self._mark, await self._look()
        if known and (known.is_restored or self._is_behind(mark, known)):
            told = await self._database.write(_tell, known)
            log.warning(
                "the database went back in time, and what was done since is lost; look at the "
                "jobs that wait or run, some of which may have been done: see the audit trail",
                newest_event=told.newest_event,
                known_event=known.event_id,
                waiting=len(told.waiting_jobs),
                running=len(told.running_jobs),
            )
            mark = await self._look()
        if mark != known:
            self._write(mark)

    async def note(self) -> None:
        """Write down how far the database has come, if that changed. A PostgreSQL may have gone
        back meanwhile; of a file that is noticed at the start."""
        mark = await self._look()
        if not self._is_file:
            self._mark = read(self._folder)  # another server may have noted, and told, it already
        if not self._is_file and self._mark and self._is_behind(mark, self._mark):
            await self.look_back()
        elif mark != self._mark:
            self._write(mark)

    async def _look(self) -> Mark:
        """Other servers may write into a PostgreSQL, and a number of an event that is not there
        may be one that was rolled back: of it the timeline is known."""
        if self._is_file:
            return Mark(await self._database.read(newest_event))
        timeline = await self._timeline() if self._tells_timeline else 0
        return Mark(None, timeline=timeline or (self._mark.timeline if self._mark else 0))

    async def _timeline(self) -> int:
        try:
            return await self._database.read(_timeline)
        except Unavailable:
            raise
        except Exception as error:  # what speaks like PostgreSQL need not have these functions
            self._tells_timeline = False
            log.warning("this database does not tell when a standby takes over", why=str(error))
            return 0

    def _is_behind(self, mark: Mark, known: Mark) -> bool:
        if self._is_file:
            return (mark.event_id or 0) < (known.event_id or 0)
        return 0 < known.timeline != mark.timeline

    def _write(self, mark: Mark) -> None:
        with suppress(OSError):  # a full disk is told by others
            write(self._folder, mark)
            self._mark = mark


def newest_event(tx: Transaction) -> int:
    [newest] = tx.all(sql.newest_event, _Id)
    return newest.id


def _timeline(tx: Transaction) -> int:
    [found] = tx.all(sql.timeline, _Timeline)
    return found.timeline


def _tell(tx: Transaction, known: Mark) -> _Told:
    told = _Told(
        newest_event=newest_event(tx),
        known_event=known.event_id,
        waiting_jobs=_jobs(tx, JobStatus.PENDING),
        running_jobs=_jobs(tx, JobStatus.RUNNING),
    )
    audit.record(tx, SYSTEM, "database.restored", metadata=msgspec.structs.asdict(told))
    return told


def _jobs(tx: Transaction, status: JobStatus) -> list[int]:
    return [job.id for job in tx.all(sql.jobs_in, _Id, status=status, limit=TOLD_JOBS)]
