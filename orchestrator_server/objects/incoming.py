"""Files on their way in: received in a folder of the server, checked there, then put where they
stay."""

import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import chain
from pathlib import Path

from orchestrator_server.errors import TooLarge

FOLDER = "incoming"  # in the data folder


class Incoming:
    """What has arrived, where, and its digest so far."""

    def __init__(self, path: Path, limit_bytes: int, what: str) -> None:
        self.path = path
        self._limit_bytes, self._what = limit_bytes, what
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._file = path.open("xb")

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.size_bytes > self._limit_bytes:
            raise TooLarge(f"{self._what} has at most {self._limit_bytes // 1024**2} MiB.")
        self._digest.update(chunk)
        self._file.write(chunk)

    def complete(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        with suppress(OSError):  # on a full disk, what is left in its buffer has no place
            self._file.close()
        self.path.unlink(missing_ok=True)


@asynccontextmanager
async def receive(data: Path, limit_bytes: int, what: str) -> AsyncIterator[Incoming]:
    """A place for a file; it is gone afterwards, if it was not moved away."""
    incoming = Incoming(new_path(data), limit_bytes, what)
    try:
        yield incoming
    finally:
        incoming.discard()


def new_path(data: Path) -> Path:
    folder = data / FOLDER
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder / secrets.token_hex(16)


def sweep(data: Path, *, older_than_seconds: float) -> None:
    """Remove what was arriving at a server that was killed.

    What is younger may be arriving at another one.
    """
    youngest = time.time() - older_than_seconds
    for file in chain((data / FOLDER).glob("*"), (data / "logs").glob("*/.*")):
        with suppress(FileNotFoundError):  # it has arrived
            if file.stat().st_mtime <= youngest:
                file.unlink()
