"""The bytes of artifacts: a folder for each job, so that a forgotten job takes them with it."""

import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator_server.errors import NotFound
from orchestrator_server.packages.storage import Incoming

MAX_BYTES = 64 * 1024 * 1024


class ArtifactFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"  # the others are called by the numbers of jobs
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._incoming.mkdir(exist_ok=True, mode=0o700)

    @asynccontextmanager
    async def receive(self, job_id: int) -> AsyncIterator[tuple[Incoming, str]]:
        """Where to write, and how the file will be known; it stays only if `keep` was called."""
        name = secrets.token_hex(16)
        incoming = Incoming(self._incoming / name, MAX_BYTES, "An artifact")
        try:
            yield incoming, f"{job_id}/{name}"
        finally:
            incoming.discard()

    def keep(self, incoming: Incoming, file_path: str) -> None:
        place = self._folder / file_path
        place.parent.mkdir(exist_ok=True, mode=0o700)
        incoming.path.replace(place)

    def sweep(self, *, older_than_seconds: float) -> None:
        """Remove what was arriving at a server that was killed.

        What is younger may be arriving at another one.
        """
        youngest = time.time() - older_than_seconds
        for file in self._incoming.iterdir():
            if file.stat().st_mtime <= youngest:
                file.unlink()

    def remove(self, file_path: str) -> None:
        (self._folder / file_path).unlink(missing_ok=True)

    def remove_job(self, job_id: int) -> None:
        shutil.rmtree(self._folder / str(job_id), ignore_errors=True)

    def path(self, file_path: str) -> Path:
        path = self._folder / file_path
        if not path.is_file():
            raise NotFound("The file of this artifact is missing from the server.")
        return path
