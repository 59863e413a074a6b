"""Opens the database that the configuration names."""

from collections.abc import Callable
from datetime import datetime

from orchestrator_server.config import Config
from orchestrator_server.db.sqlite import SqliteDatabase
from orchestrator_server.db.transaction import Database


class CannotOpen(Exception):
    """The database cannot be opened; the message says why and what to do."""


async def open_database(config: Config, clock: Callable[[], datetime]) -> Database:
    url = config.database_url
    if url is None:
        return await SqliteDatabase.open(str(config.sqlite_path), clock)
    if not url.startswith(("postgresql://", "postgres://")):
        raise CannotOpen("The database URL begins with postgresql://; leave it out for SQLite.")
    try:  # only who uses PostgreSQL needs its driver, and waits for its import
        from orchestrator_server.db.postgres import PostgresDatabase
    except ImportError as error:
        raise CannotOpen("PostgreSQL needs: pip install 'runwright[postgres]'") from error
    return await PostgresDatabase.open(url, clock)
