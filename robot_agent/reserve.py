"""Room on the disk that is kept for the worst moment: the end of a job on a full disk."""

import logging
import os
import shutil
from pathlib import Path

RESERVE_BYTES = 4 * 1024 * 1024  # a report of 1 MiB, in the journal and in its log, and some

log = logging.getLogger(__name__)


class Reserve:
    def __init__(self, folder: Path, min_free_bytes: int) -> None:
        self._file = folder / "reserve"
        self._folder = folder
        self._min_free_bytes = min_free_bytes

    def trouble(self) -> str | None:
        """Why no job should be begun here, if so; the reserve is laid in again where it can be."""
        try:
            self._lay_in()
            free_bytes = self._free_bytes()
        except OSError as error:
            return f"The agent's folder cannot be written: {error.strerror or error}."
        if free_bytes < self._min_free_bytes:
            return f"The disk has {_mib(free_bytes)} left; {_mib(self._min_free_bytes)} are needed."
        return None

    def is_in_order(self) -> bool:
        """Whether `trouble` has nothing to tell, and nothing to do, which may take its time."""
        try:
            return self._is_laid_in() and self._free_bytes() >= self._min_free_bytes
        except OSError:
            return False  # which `trouble` tells

    def spend(self) -> None:
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:  # then it is not a full disk
            log.debug("The reserve cannot be spent: %s", error)

    def _lay_in(self) -> None:
        if self._is_laid_in():
            return
        with self._file.open("wb") as file:
            # Written, not only sized: a file with holes reserves nothing.
            for _ in range(RESERVE_BYTES // 65536):
                file.write(bytes(65536))
            file.flush()
            os.fsync(file.fileno())

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _is_laid_in(self) -> bool:
        return self._file.exists() and self._file.stat().st_size == RESERVE_BYTES


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:,.0f} MiB"
