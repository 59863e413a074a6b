"""What a start puts in order: a server that was killed may have left a file without a row; a lost
disk, the reverse."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from orchestrator_server.db.transaction import Database
from orchestrator_server.objects import incoming
from orchestrator_server.objects.folder import FolderStore
from orchestrator_server.objects.store import ObjectStore
from orchestrator_server.packages import editing, storage

OTHERS_UPLOAD_SECONDS = 3600  # how long another server may be receiving a file

log = structlog.get_logger(__name__)


async def sweep(database: Database, objects: ObjectStore, data: Path) -> None:
    """Of a bucket nothing is removed: a copy of this installation, or one that was restored from a
    backup, may not know of what is needed."""
    age_seconds = 0 if database.dialect == "sqlite" else OTHERS_UPLOAD_SECONDS
    incoming.sweep(data, older_than_seconds=age_seconds)
    files = await database.read(editing.stored_files)
    is_ours = isinstance(objects, FolderStore)
    before = datetime.now(UTC) - timedelta(seconds=age_seconds) if is_ours else None
    there = await storage.sweep(objects, {file.file_path for file in files}, before=before)
    for package in editing.missing_files(files, there):
        log.error("the file of a package is missing; publish it again", package=package)
