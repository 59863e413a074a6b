"""The output of jobs, one file for each attempt, written only at its end.

With an archive, files that nobody has written to for long go there; one that is written to after
all comes back first.
"""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar, TypeVarTuple

from orchestrator_server.objects import incoming
from orchestrator_server.objects.store import Missing, ObjectStore, fetch
from sdk.contract.runner import LogAnswer

if sys.platform != "win32":
    import fcntl

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

READ_BYTES = 4 * 1024 * 1024
MOST_QUIET = 10_000  # looked at in one go
_JOBS_PER_FOLDER = 1000


class LogGap(Exception):
    """A chunk begins after the end of what we have."""

    def __init__(self, next_offset: int) -> None:
        super().__init__(f"The log ends at byte {next_offset}; go on from there.")
        self.next_offset = next_offset


class _NotHere(Exception):
    """The log is new, or in the archive."""


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

    async def append(self, job_id: int, attempt: int, offset: int, chunk: bytes) -> LogAnswer:
        """Take what follows our last byte, ignore what we have; say where to go on.

        Beyond the limit the rest is counted, not kept, and the log says so at its end.
        Raises LogGap if bytes in between are missing.
        """
        log = Log(job_id, attempt)
        try:
            answer = await self._on_thread(self._append, log, offset, chunk, self._archive is None)
        except _NotHere:
            await self._bring_back(log)
            answer = await self._on_thread(self._append, log, offset, chunk, True)
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

    async def read(self, job_id: int, attempt: int, offset: int) -> bytes:
        """At most READ_BYTES from `offset` on; empty at the end."""
        log = Log(job_id, attempt)
        found = await asyncio.to_thread(self._read, log, offset)
        if found is None and self._archive:
            found = await _read_archived(self._archive, log, offset)
        return found or b""  # nothing was printed yet

    async def remove(self, logs: list[Log]) -> None:
        await self._on_thread(self._remove, logs)
        if self._archive:
            await self._archive.remove([log.name for log in logs])

    async def quiet(self, seconds: float) -> list[Log]:
        """What could go to the archive: nobody has written to it for so long."""
        return await asyncio.to_thread(self._quiet, seconds) if self._archive else []

    async def archive(self, log: Log) -> None:
        """It stays here if it was written to meanwhile."""
        if self._archive is None:
            return
        with suppress(FileNotFoundError):  # another server has done it
            await self._archive.put(log.name, self._file(log), replace=True)
            size_bytes = await self._archive.size_bytes(log.name)
            await self._on_thread(self._remove_unchanged, log, size_bytes)

    def close(self) -> None:
        self._thread.shutdown()

    async def _on_thread(self, call: Callable[[*Args], Result], *args: *Args) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    async def _bring_back(self, log: Log) -> None:
        if self._archive is None:
            return
        beside = incoming.new_path(self._data)
        try:
            await fetch(self._archive, log.name, beside)
            await self._on_thread(self._put_back, log, beside)
        except Missing:  # it is new
            pass
        finally:
            beside.unlink(missing_ok=True)

    def _put_back(self, log: Log, beside: Path) -> None:
        file = self._file(log)
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another chunk has brought it back
            file.hardlink_to(beside)

    def _append(self, log: Log, offset: int, chunk: bytes, may_be_new: bool) -> LogAnswer:
        limit_bytes = self._limit()
        end = offset + len(chunk)
        with self._opened(log, may_be_new) as file:
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
    def _opened(self, log: Log, may_be_new: bool) -> Iterator[BinaryIO]:
        path = self._file(log)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("ab" if may_be_new else "r+b") as file:
                _lock(file)  # another process may be sent the same chunk
                if not os.fstat(file.fileno()).st_nlink:  # it went to the archive this moment
                    raise _NotHere
                yield file
        except FileNotFoundError as error:
            raise _NotHere from error

    def _remove(self, logs: list[Log]) -> None:
        for log in logs:
            self._file(log).unlink(missing_ok=True)

    def _remove_unchanged(self, log: Log, size_bytes: int) -> None:
        with self._file(log).open("rb") as file:
            _lock(file)
            if file.seek(0, os.SEEK_END) == size_bytes:
                self._file(log).unlink()

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
        for file in itertools.islice((self._data / "logs").glob("*/*.log"), MOST_QUIET):
            with suppress(FileNotFoundError):  # it was removed meanwhile
                if file.stat().st_mtime <= youngest:
                    job_id, attempt, _ = file.name.split(".")
                    found.append(Log(int(job_id), int(attempt)))
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


def _mark(limit_bytes: int) -> bytes:
    return f"\n[log truncated at {limit_bytes:,} bytes]\n".encode()
