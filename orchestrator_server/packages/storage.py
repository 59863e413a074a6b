"""The files of packages: received beside, checked, moved into place, served in pieces."""

import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from orchestrator_server.errors import NotFound, TooLarge

MAX_PACKAGE_BYTES = 100 * 1024 * 1024


class Incoming:
    """A file on its way in: what has arrived, where, and its digest so far."""

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


class PackageStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Incoming]:
        """A place for an archive; whatever was not kept is gone afterwards."""
        path = self._folder / f".incoming-{secrets.token_hex(8)}"
        incoming = Incoming(path, MAX_PACKAGE_BYTES, "A package")
        try:
            yield incoming
        finally:
            incoming.discard()

    def keep(self, incoming: Incoming, file_path: str) -> None:
        """Move it to where the package's row will say it is."""
        incoming.path.replace(self._folder / file_path)

    def remove(self, file_path: str) -> None:
        (self._folder / file_path).unlink(missing_ok=True)

    def sweep(self, needed: set[str], *, older_than_seconds: float) -> set[str]:
        """Remove what no row refers to, left by a server that was killed; say what is there.

        What is younger may be an upload that another server is receiving.
        """
        there = set()
        youngest = time.time() - older_than_seconds
        for file in self._folder.iterdir():
            if file.name in needed:
                there.add(file.name)
            elif file.is_file() and file.stat().st_mtime <= youngest:
                file.unlink()
        return there

    def path(self, file_path: str) -> Path:
        path = self._folder / file_path
        if not path.is_file():
            raise NotFound("The file of this package is missing from the server; publish it again.")
        return path
