"""`orchestrator store move`: every file that the database knows of, and every log, from one object
store to another."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from orchestrator_server.artifacts import service as artifacts
from orchestrator_server.db.transaction import Database
from orchestrator_server.objects.store import Missing, ObjectStore, WrongStore, fetch
from orchestrator_server.packages import editing, storage

AT_ONCE = 8
LOGS = "logs/"


class File(NamedTuple):
    name: str
    sha256: str | None  # as its row says; a log has none


class Move:
    """From one store to another. What is there already, the same, is not sent again."""

    def __init__(
        self, database: Database, source: ObjectStore, target: ObjectStore, folder: Path
    ) -> None:
        self._database = database
        self._source = source
        self._target = target
        self._folder = folder  # files are here on their way
        self.files = 0
        self.missing: list[str] = []  # or other than the database says

    async def run(self, tell: Callable[[str, int], None]) -> None:
        """Each file is read back and compared. Raises WrongStore if one comes back otherwise."""
        for what, files in (
            ("packages", self._packages()),
            ("artifacts", self._artifacts()),
            ("logs", self._logs()),
        ):
            before = self.files
            async for batch in _batches(files):
                brought = await asyncio.gather(*map(self._bring, batch), return_exceptions=True)
                for error in filter(None, brought):  # now that all of them have ended
                    raise error
            tell(what, self.files - before)

    async def _bring(self, file: File) -> None:
        place = self._folder / secrets.token_hex(8)
        try:
            there = await self._digest_there(file.name)
            if file.sha256 is None or there != file.sha256:
                digest = await fetch(self._source, file.name, place)
                if digest != (file.sha256 or digest):
                    raise Missing(file.name)
                if there != digest and not await self._is_longer_there(file, place):
                    await self._put(file.name, place, digest)
        except Missing:
            self.missing.append(file.name)
        else:
            self.files += 1
        finally:
            place.unlink(missing_ok=True)

    async def _is_longer_there(self, file: File, place: Path) -> bool:
        """A log that came back for a late line: the server will archive it again."""
        if file.sha256 is not None:
            return False
        try:
            here = await asyncio.to_thread(place.stat)
            return await self._target.size_bytes(file.name) > here.st_size
        except Missing:
            return False

    async def _put(self, name: str, place: Path, digest: str) -> None:
        await self._target.put(name, place, replace=True)
        if await self._digest_there(name) != digest:
            raise WrongStore(f"{name} came back from the new store other than it was sent.")

    async def _digest_there(self, name: str) -> str | None:
        digest = hashlib.sha256()
        try:
            async for piece in self._target.read(name, 0, await self._target.size_bytes(name)):
                await asyncio.to_thread(digest.update, piece)
        except Missing:
            return None
        return digest.hexdigest()

    async def _packages(self) -> AsyncIterator[File]:
        for file in await self._database.read(editing.stored_files):
            yield File(storage.FOLDER + file.file_path, file.sha256)

    async def _artifacts(self) -> AsyncIterator[File]:
        last = 0
        while page := await self._database.read(artifacts.files_after, last):
            for file in page:
                yield File(artifacts.FOLDER + file.file_path, file.sha256)
            last = page[-1].id

    async def _logs(self) -> AsyncIterator[File]:
        async for found in self._source.list(LOGS):
            yield File(found.name, None)


async def _batches(files: AsyncIterator[File]) -> AsyncIterator[list[File]]:
    batch: list[File] = []
    async for file in files:
        batch.append(file)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    yield batch
