"""The object store of one machine: a folder, in which the names are paths."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from orchestrator_server.objects.store import Missing, Object

PIECE_BYTES = 256 * 1024


class FolderStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, file: Path, *, replace: bool = False) -> None:
        """Moves `file`, which must be on the same file system."""

        def put() -> None:
            place = self._place(name)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if replace or not place.exists():
                file.replace(place)

        await asyncio.to_thread(put)

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

    def _object(self, file: Path) -> Object:
        found = file.stat()
        modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
        return Object(file.relative_to(self._folder).as_posix(), found.st_size, modified_at)

    def _place(self, name: str) -> Path:
        if ".." in PurePosixPath(name).parts:  # somebody else's bucket may hold any name
            raise Missing(name)
        return self._folder / name
