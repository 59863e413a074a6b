"""What must hold after every fault, asked as `orchestrator doctor` asks it."""

from datetime import UTC, datetime

from orchestrator_server import keys
from orchestrator_server.config import Config
from orchestrator_server.db.open import open_database
from orchestrator_server.doctor import service


async def broken_promises(data, database_url=None):
    """By promise, what breaks it; the server may be running or not."""
    config = Config(data=data, database_url=database_url)
    folder = data / "packages"
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    database = await open_database(config, lambda: datetime.now(UTC))
    try:
        ours = keys.load(config.key_file, check=await database.read(keys.stored_check))
        findings = await database.read(service.examine, ours, there)
    finally:
        await database.close()
    return {f.promise: f.broken_by for f in findings if f.broken_by}
