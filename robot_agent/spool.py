"""The output of a script on its way to the server: a file that stays small whatever is printed.

The server keeps so many bytes of an attempt and no more. What is printed beyond that is counted
and cut off again, and the log says so at its end, so neither the disk nor memory fills.
"""

import asyncio
import os
import stat
from contextlib import suppress
from pathlib import Path

from sdk.running import regular_files
from sdk.running.regular_files import NotRegular

LOOK_SECONDS = 0.05  # what a fast script prints meanwhile is on the disk for a moment
BUSY_LOOK_SECONDS = 0.01  # while it prints faster than we look
SLACK_BYTES = 1024 * 1024  # how far it may run over before it is cut
CUT = b"\n[output beyond "  # what we say where it is cut begins so
# The job is not that far yet, or its script has put something else in the place of its output.
TAKEN_AWAY = (FileNotFoundError, PermissionError, NotRegular)
# Room for what we say ourselves, within the server's limit: so much, but a part of a small limit.
MARKS_BYTES, LEAST_MARKS_BYTES, PART_OF_LIMIT = 8192, 256, 8


class Spool:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._keep_bytes = self._marks_bytes = 0
        self.keep_at_most(16 * 1024 * 1024)
        self._cut_bytes = 0  # what was printed and is gone
        self._mark = b""  # says so, where the cut is

    def keep_at_most(self, limit_bytes: int) -> None:
        """What the server keeps of an attempt, which it tells before the script is started."""
        part = max(LEAST_MARKS_BYTES, limit_bytes // PART_OF_LIMIT)
        self._marks_bytes = min(MARKS_BYTES, part, limit_bytes)
        self._keep_bytes = limit_bytes - self._marks_bytes

    def read(self, offset: int, size: int) -> bytes:
        """What is there for the server from `offset` on, at most `size` bytes."""
        try:
            with regular_files.opened(self._path) as file:
                file.seek(max(0, offset))
                return file.read(max(0, min(size, self._end() - offset)))
        except TAKEN_AWAY:
            return b""

    def tail(self, most_bytes: int) -> bytes:
        """The end of the output once it is closed; nothing if the end was cut off."""
        return b"" if self._mark else self.read(max(0, self.size() - most_bytes), most_bytes)

    def size(self) -> int:
        """How many bytes there are for the server now."""
        return min(self._size(), self._end())

    def printed_bytes(self) -> int:
        """How much the script has printed, kept or not, at least: what it prints in the moment
        between a look and the cut is not counted."""
        return max(0, self._size() - len(self._mark) + self._cut_bytes)

    async def keep_small(self) -> None:
        """Look after it until canceled."""
        while True:
            is_too_much = self._size() - self._end() > SLACK_BYTES
            was_cut = is_too_much and await asyncio.to_thread(self._cut, SLACK_BYTES)
            await asyncio.sleep(BUSY_LOOK_SECONDS if was_cut else LOOK_SECONDS)

    def close(self) -> None:
        """The script has ended: cut what is too much, and say how much there was."""
        self._cut(0)
        if self._mark:
            total = f"[at least {self.printed_bytes():,} bytes were printed]\n".encode()
            self._append(total)

    def close_unwatched(self) -> None:
        """The same of an earlier life of the agent, of which nobody knows how much it cut."""
        self._cut(0)

    def add(self, lines: bytes) -> None:
        """Add our own lines at the end, once the script has ended; as many whole lines as there is
        room for."""
        if self.read(self.size() - 1, 1) not in (b"", b"\n"):
            lines = b"\n" + lines
        room = self._marks_bytes - len(self._mark)
        fitting = lines if len(lines) <= room else lines[: lines.rfind(b"\n", 0, room) + 1]
        if fitting:
            self._append(fitting)

    def _append(self, text: bytes) -> None:
        with suppress(*TAKEN_AWAY):
            descriptor = regular_files.descriptor_of(self._path, os.O_WRONLY | os.O_APPEND)
            with os.fdopen(descriptor, "ab") as file:
                file.write(text)
            self._mark += text

    def _size(self) -> int:
        try:
            about = self._path.lstat()
        except OSError:
            return 0  # the job is not that far yet, or its script has taken it away
        return about.st_size if stat.S_ISREG(about.st_mode) else 0

    def _end(self) -> int:
        return self._keep_bytes + len(self._mark)

    def _cut(self, slack_bytes: int) -> bool:
        # Not opened for appending: the mark goes where the cut is, whoever writes meanwhile.
        try:
            descriptor = regular_files.descriptor_of(self._path, os.O_WRONLY)
        except TAKEN_AWAY:
            return False
        try:
            too_much = os.fstat(descriptor).st_size - self._end()
            if too_much <= slack_bytes:
                return False
            if not self._mark:
                self._mark = CUT + f"{self._keep_bytes:,} bytes is not kept]\n".encode()
                os.lseek(descriptor, self._keep_bytes, os.SEEK_SET)
                os.write(descriptor, self._mark)
            os.ftruncate(descriptor, self._end())
            self._cut_bytes += too_much
            return True
        finally:
            os.close(descriptor)


def cuts(content: bytes) -> list[int]:
    """Where output was cut, also by an earlier life of the agent."""
    places, at = [], content.find(CUT)
    while at >= 0:
        places.append(at)
        at = content.find(CUT, at + 1)
    return places
