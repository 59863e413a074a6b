"""The output of jobs, one file for each attempt, written only at its end."""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sdk.contract.runner import LogAnswer

if sys.platform != "win32":
    import fcntl

READ_BYTES = 4 * 1024 * 1024
_JOBS_PER_FOLDER = 1000


class LogGap(Exception):
    """A chunk begins after the end of what we have."""

    def __init__(self, next_offset: int) -> None:
        super().__init__(f"The log ends at byte {next_offset}; go on from there.")
        self.next_offset = next_offset


class Logs:
    """Files on one thread of their own, so that two chunks of one log never interleave."""

    def __init__(self, folder: Path, limit_bytes: Callable[[], int]) -> None:
        self._folder = folder
        self._limit = limit_bytes  # asked each time: it is a setting
        self._readers: dict[int, set[asyncio.Future[None]]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logs")

    async def append(self, job_id: int, attempt: int, offset: int, chunk: bytes) -> LogAnswer:
        """Take what follows our last byte, ignore what we have; say where to go on.

        Beyond the limit the rest is counted, not kept, and the log says so at its end.
        Raises LogGap if bytes in between are missing.
        """
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(
            self._thread, self._append, job_id, attempt, offset, chunk
        )
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
        return await asyncio.to_thread(self._read, job_id, attempt, offset)

    async def remove(self, job_id: int, attempts: int) -> None:
        """Delete the logs of a job's attempts, 1 to `attempts`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._remove, job_id, attempts)

    def close(self) -> None:
        self._thread.shutdown()

    def _append(self, job_id: int, attempt: int, offset: int, chunk: bytes) -> LogAnswer:
        path = self._file(job_id, attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        limit_bytes = self._limit()
        end = offset + len(chunk)
        with path.open("ab") as file:
            _lock(file)  # another process may be sent the same chunk
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

    def _remove(self, job_id: int, attempts: int) -> None:
        for attempt in range(1, attempts + 1):
            self._file(job_id, attempt).unlink(missing_ok=True)

    def _read(self, job_id: int, attempt: int, offset: int) -> bytes:
        try:
            with self._file(job_id, attempt).open("rb") as file:
                file.seek(offset)
                return file.read(READ_BYTES)
        except FileNotFoundError:  # nothing was printed yet
            return b""

    def _file(self, job_id: int, attempt: int) -> Path:
        return self._folder / str(job_id // _JOBS_PER_FOLDER) / f"{job_id}.{attempt}.log"


def _lock(file: BinaryIO) -> None:
    """Until it is closed. On Windows one server is all there is."""
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX)


def _mark(limit_bytes: int) -> bytes:
    return f"\n[log truncated at {limit_bytes:,} bytes]\n".encode()
