"""Opens the database that the configuration names."""

import sqlite3
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
        return await _open_sqlite(str(config.sqlite_path), clock)
    if not url.startswith(("postgresql://", "postgres://")):
        raise CannotOpen("The database URL begins with postgresql://; leave it out for SQLite.")
    try:  # only who uses PostgreSQL needs its driver, and waits for its import
        import psycopg

        from orchestrator_server.db.postgres import PostgresDatabase
    except ImportError as error:
        raise CannotOpen("PostgreSQL needs: pip install 'runwright[postgres]'") from error
    try:
        return await PostgresDatabase.open(url, clock)
    except psycopg.Error as error:  # not its text: that may hold the URL and its password
        raise CannotOpen(
            f"PostgreSQL cannot be reached ({type(error).__name__}); look at the database URL "
            "and at the server."
        ) from error


async def _open_sqlite(path: str, clock: Callable[[], datetime]) -> Database:
    try:
        return await SqliteDatabase.open(path, clock)
    except sqlite3.Error as error:
        raise CannotOpen(f"{path} cannot be opened: {error}. Restore it from a backup.") from error
