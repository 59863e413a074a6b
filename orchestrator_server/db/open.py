"""Opens the database that the configuration names."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

from orchestrator_server.config import Config
from orchestrator_server.db import sqlite_file
from orchestrator_server.db.peers import Alone, Peers
from orchestrator_server.db.sqlite import SqliteDatabase
from orchestrator_server.db.transaction import Database

SAFE_SQLITE = (3, 51, 3)

log = structlog.get_logger(__name__)


class CannotOpen(Exception):
    """The database cannot be opened; the message says why and what to do."""


async def open_database(config: Config, clock: Callable[[], datetime]) -> Database:
    url = config.database_url
    if url is None:
        return await _open_sqlite(config.sqlite_path, clock)
    if not url.startswith(("postgresql://", "postgres://")):
        raise CannotOpen("The database URL begins with postgresql://; leave it out for SQLite.")
    try:  # only who uses PostgreSQL needs its driver, and waits for its import
        import psycopg

        from orchestrator_server.db.postgres import PostgresDatabase
    except ImportError as error:
        raise CannotOpen(
            "PostgreSQL needs the extra `postgres`: install Runwright again with `[postgres]` "
            "after the path of its checkout or wheel."
        ) from error
    try:
        return await PostgresDatabase.open(url, clock, is_pooled=config.listen_url is not None)
    except psycopg.Error as error:  # not its text: that may hold the URL and its password
        raise CannotOpen(
            f"PostgreSQL cannot be reached ({type(error).__name__}); look at the database URL "
            "and at the server."
        ) from error


def peers_of(config: Config, database: Database) -> Peers:
    """The other servers on an open database."""
    if config.database_url is None:
        return Alone()
    from orchestrator_server.db.postgres_peers import PostgresPeers

    return PostgresPeers(config.listen_url or config.database_url, database)


def warn_of_old_sqlite(database: Database) -> None:
    """The server itself is careful (see db/sqlite.py); other programs might not be."""
    if database.dialect == "sqlite" and sqlite3.sqlite_version_info < SAFE_SQLITE:
        log.warning(
            "this SQLite can damage a database that two programs write at the same moment; "
            "use a Python with SQLite 3.51.3 or newer, and let no other program write to it",
            version=sqlite3.sqlite_version,
        )


async def _open_sqlite(path: Path, clock: Callable[[], datetime]) -> Database:
    try:
        if damage := await asyncio.to_thread(sqlite_file.damage, path):
            raise CannotOpen(
                f"{path} is damaged, and was left as it is: {damage}. Restore it from a backup: "
                "move the data folder away, then run `orchestrator restore FOLDER`."
            )
        return await SqliteDatabase.open(str(path), clock)
    except sqlite3.Error as error:
        raise CannotOpen(
            f"{path} cannot be opened: {error}. Look at its permissions, at the disk, and for "
            "another program that holds it."
        ) from error
