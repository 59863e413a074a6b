"""The object store of one machine: a folder, in which the names are paths."""

import asyncio
import errno
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from orchestrator_server.objects.store import Missing, Object

PIECE_BYTES = 256 * 1024
TRIES = 10


class FolderStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, file: Path, *, replace: bool = False) -> None:
        await asyncio.to_thread(self._put, self._place(name), file, replace)

    async def size_bytes(self, name: str) -> int:
        try:
            return (await asyncio.to_thread(self._place(name).stat)).st_size
        except FileNotFoundError as error:
            raise Missing(name) from error

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        def read(offset: int) -> bytes:
            with self._place(name).open("rb") as file:
                file.seek(offset)
                return file.read(min(PIECE_BYTES, stop - offset))

        try:
            while piece := await asyncio.to_thread(read, start):
                yield piece
                start += len(piece)
        except FileNotFoundError as error:
            raise Missing(name) from error

    async def remove(self, names: Sequence[str]) -> None:
        def remove() -> None:
            for name in names:
                place = self._place(name)
                place.unlink(missing_ok=True)
                if place.parent.parent != self._folder:  # the folder of one job
                    with suppress(OSError):  # there is more in it
                        place.parent.rmdir()

        await asyncio.to_thread(remove)

    async def list(self, folder: str) -> AsyncIterator[Object]:
        def objects() -> Iterator[Object]:
            for file in self._place(folder).rglob("*"):
                with suppress(FileNotFoundError):  # it was removed meanwhile
                    if file.is_file():
                        yield self._object(file)

        for found in await asyncio.to_thread(lambda: list(objects())):
            yield found

    def _put(self, place: Path, file: Path, replace: bool) -> None:
        for _ in range(TRIES):
            with suppress(FileNotFoundError, FileExistsError):  # its folder is removed just now
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                if replace or not place.exists():
                    _move(file, place)
                return
        raise FileNotFoundError(f"{file} could not be put at {place}.")

    def _object(self, file: Path) -> Object:
        found = file.stat()
        modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
        return Object(file.relative_to(self._folder).as_posix(), found.st_size, modified_at)

    def _place(self, name: str) -> Path:
        if ".." in re.split(r"[/\\]", name):  # somebody else's bucket may hold any name
            raise Missing(name)
        return self._folder / name


def _move(file: Path, place: Path) -> None:
    try:
        file.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = place.with_name(f".{file.name}")  # the place is on another file system
        with file.open("rb") as source, beside.open("wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        beside.replace(place)
