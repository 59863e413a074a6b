"""The files of packages: received beside, checked, moved into place, served in pieces."""

import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from orchestrator_server.errors import NotFound, TooLarge

MAX_PACKAGE_BYTES = 100 * 1024 * 1024

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


class Span(NamedTuple):
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


class Incoming:
    """An archive on its way in: what has arrived, where, and its digest so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._digest = hashlib.sha256()
        self._file = path.open("xb")

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        self.size_bytes += len(chunk)
        if self.size_bytes > MAX_PACKAGE_BYTES:
            raise TooLarge(f"A package has at most {MAX_PACKAGE_BYTES // 1024**2} MiB.")
        self._digest.update(chunk)
        self._file.write(chunk)

    def complete(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class PackageStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Incoming]:
        """A place for an archive; whatever was not kept is gone afterwards."""
        incoming = Incoming(self._folder / f".incoming-{secrets.token_hex(8)}")
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


def requested_span(header: str | None, size: int) -> Span | None:
    """What a `Range` header asks for (RFC 9110, 14.2), or None for the whole.

    A header that is not one range of bytes is ignored; one outside raises ValueError.
    """
    found = _RANGE.fullmatch(header or "")
    if not found or (not found[1] and not found[2]):
        return None
    if not found[1]:  # the last so many bytes
        wanted = int(found[2])
        span = Span(max(0, size - wanted), size)
    else:
        last = int(found[2]) if found[2] else size - 1
        span = Span(int(found[1]), min(last + 1, size))
    if span.start >= span.stop:
        raise ValueError("no byte of the file is in this range")
    return span
