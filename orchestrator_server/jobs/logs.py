"""The output of jobs, one file for each attempt, written only at its end.

With an archive, files that nobody has written to for long go there; one that is written to after
all comes back first.
"""

import asyncio
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar, TypeVarTuple

import structlog

from orchestrator_server.errors import Unavailable
from orchestrator_server.objects.store import Missing, ObjectStore, fetch
from sdk.contract.runner import LogAnswer

_log = structlog.get_logger(__name__)

if sys.platform != "win32":
    import fcntl

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

READ_BYTES = 4 * 1024 * 1024
MOST_QUIET = 10_000  # told in one go
_NAME = re.compile(r"([1-9][0-9]*)\.([1-9][0-9]*)\.log", re.ASCII)
_JOBS_PER_FOLDER = 1000


class LogGap(Exception):
    """A chunk begins after the end of what we have."""

    def __init__(self, next_offset: int) -> None:
        super().__init__(f"The log ends at byte {next_offset}; go on from there.")
        self.next_offset = next_offset


class Log(NamedTuple):
    job_id: int
    attempt: int

    @property
    def name(self) -> str:
        """In the data folder and in the archive."""
        return f"logs/{self.job_id // _JOBS_PER_FOLDER}/{self.job_id}.{self.attempt}.log"


class Logs:
    """Files on one thread of their own, so that two chunks of one log never interleave."""

    def __init__(
        self, data: Path, limit_bytes: Callable[[], int], archive: ObjectStore | None = None
    ) -> None:
        self._data = data
        self._archive = archive
        self._limit = limit_bytes  # asked each time: it is a setting
        self._readers: dict[int, set[asyncio.Future[None]]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logs")

    async def append(
        self, job_id: int, attempt: int, offset: int, chunk: bytes, *, is_over: bool = False
    ) -> LogAnswer:
        """Take what follows our last byte, ignore what we have; say where to go on.

        Beyond the limit the rest is counted, not kept, and the log says so at its end.
        Raises LogGap if bytes in between are missing. Only if the attempt `is_over` may its log be
        in the archive: what runs needs none.
        """
        log = Log(job_id, attempt)
        if is_over and self._archive and not await asyncio.to_thread(self._file(log).exists):
            await self._bring_back(self._archive, log)
        answer = await self._on_thread(self._append, log, offset, chunk)
        for reader in self._readers.pop(job_id, set()):
            if not reader.done():
                reader.set_result(None)
        return answer

    async def wait_for_more(self, job_id: int, seconds: float) -> None:
        """Return when this server has been given more of the log, or when the time is up."""
        more: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.setdefault(job_id, set()).add(more)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(more, seconds)
        finally:
            waiting = self._readers.get(job_id, set())
            waiting.discard(more)
            if not waiting:
                self._readers.pop(job_id, None)

    async def read(self, job_id: int, attempt: int, offset: int, *, is_over: bool = True) -> bytes:
        """At most READ_BYTES from `offset` on; empty at the end."""
        log = Log(job_id, attempt)
        found = await asyncio.to_thread(self._read, log, offset)
        if found is None and self._archive and is_over:
            found = await _read_archived(self._archive, log, offset)
        return found or b""  # nothing was printed yet

    async def remove(self, logs: list[Log]) -> None:
        await self._on_thread(self._remove, logs)
        if self._archive:
            await self._archive.remove([log.name for log in logs])

    async def quiet(self, seconds: float) -> list[Log]:
        """What could go to the archive: nobody has written to it for so long."""
        return await asyncio.to_thread(self._quiet, seconds) if self._archive else []

    @contextmanager
    def archiving(self) -> Iterator[bool]:
        """Whether it is ours to do now: two servers that believe that they lead must not both."""
        with (self._data / "archiving.lock").open("ab") as file:
            yield _is_ours(file)

    async def archive(self, log: Log) -> None:
        """It stays here if it was written to meanwhile, or if more of it is there already."""
        if self._archive is None:
            return
        path = self._file(log)
        there_bytes = 0
        with suppress(Missing):
            there_bytes = await self._archive.size_bytes(log.name)
        if there_bytes > (await asyncio.to_thread(path.stat)).st_size:
            _log.error("a log in the archive is longer than the one here", name=log.name)
            return
        await self._archive.put(log.name, path, replace=True)
        kept_bytes = await self._archive.size_bytes(log.name)
        await self._on_thread(self._remove_unchanged, path, kept_bytes)

    def close(self) -> None:
        self._thread.shutdown()

    async def _on_thread(self, call: Callable[[*Args], Result], *args: *Args) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    async def _bring_back(self, archive: ObjectStore, log: Log) -> None:
        file = self._file(log)
        beside = file.with_name(f".{secrets.token_hex(8)}")
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            await fetch(archive, log.name, beside)
            await asyncio.to_thread(file.hardlink_to, beside)
        except (Missing, FileExistsError):  # it is new; or another chunk has brought it back
            pass
        finally:
            beside.unlink(missing_ok=True)

    def _append(self, log: Log, offset: int, chunk: bytes) -> LogAnswer:
        limit_bytes = self._limit()
        end = offset + len(chunk)
        with self._opened(log) as file:
            length = file.seek(0, os.SEEK_END)
            if length > limit_bytes:  # the mark is there
                return LogAnswer(next_offset=end, truncated=True)
            if offset > length:
                raise LogGap(length)
            if end > limit_bytes:
                file.write(chunk[length - offset : limit_bytes - offset])
                file.write(_mark(limit_bytes))
                return LogAnswer(next_offset=end, truncated=True)
            file.write(chunk[length - offset :])
            return LogAnswer(next_offset=max(length, end))

    @contextmanager
    def _opened(self, log: Log) -> Iterator[BinaryIO]:
        path = self._file(log)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            _lock(file)  # another process may be sent the same chunk
            if not _is_at(file, path):
                raise Unavailable("This log goes to the archive this moment; send it again.")
            yield file

    def _remove(self, logs: list[Log]) -> None:
        for log in logs:
            self._file(log).unlink(missing_ok=True)

    def _remove_unchanged(self, path: Path, size_bytes: int) -> None:
        with path.open("r+b") as file:  # for writing, as a lock over NFS asks for
            _lock(file)
            is_unchanged = file.seek(0, os.SEEK_END) == size_bytes
            if is_unchanged and sys.platform != "win32":  # while nobody can write to it
                path.unlink()
        if is_unchanged and sys.platform == "win32":  # where one server is all there is
            path.unlink()

    def _read(self, log: Log, offset: int) -> bytes | None:
        try:
            with self._file(log).open("rb") as file:
                file.seek(offset)
                return file.read(READ_BYTES)
        except FileNotFoundError:
            return None

    def _quiet(self, seconds: float) -> list[Log]:
        youngest = time.time() - seconds
        found: list[Log] = []
        for file in (self._data / "logs").glob("*/*.log"):
            named = _NAME.fullmatch(file.name)
            with suppress(FileNotFoundError):  # it was removed meanwhile
                if named and file.stat().st_mtime <= youngest:
                    found.append(Log(int(named[1]), int(named[2])))
            if len(found) == MOST_QUIET:
                break
        return found

    def _file(self, log: Log) -> Path:
        return self._data / log.name


async def _read_archived(archive: ObjectStore, log: Log, offset: int) -> bytes:
    pieces = archive.read(log.name, offset, offset + READ_BYTES)
    with suppress(Missing):
        return b"".join([piece async for piece in pieces])
    return b""


def _lock(file: BinaryIO) -> None:
    """Until it is closed. On Windows one server is all there is."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX)


def _is_ours(file: BinaryIO) -> bool:
    """Lock it, unless another process has."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _mark(limit_bytes: int) -> bytes:
    return f"\n[log truncated at {limit_bytes:,} bytes]\n".encode()
