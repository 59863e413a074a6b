"""Bring a database up to date: numbered SQL files, applied once, in order, and written down."""

import hashlib
from collections.abc import Callable, Mapping
from importlib import resources
from string import Template

import msgspec

from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Database, Transaction

sql = queries.load(__package__)

_RECORD = Template("""
CREATE TABLE IF NOT EXISTS migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    checksum   TEXT NOT NULL,
    applied_at ${timestamp} NOT NULL
);
""")


class CannotMigrate(Exception):
    """This server and this database do not belong together; the message says what to do."""


class Migration(msgspec.Struct, frozen=True):
    version: int
    name: str
    checksum: str  # of the file, so it is the same on every database


class _Table(msgspec.Struct, frozen=True):
    name: str


Step = Callable[[Transaction], None]


async def migrate(database: Database, steps: Mapping[str, Step] | None = None) -> None:
    """Apply the migrations that the database has not had. `steps`, by the name of a migration's
    file, is what is done in code with it, in the same transaction."""
    ours = _ours()
    await database.write(_prepare, _RECORD.substitute(database.words), list(ours))
    for migration, text in ours.items():
        script = Template(text).substitute(database.words)
        await database.write(_apply, migration, script, (steps or {}).get(migration.name))


def is_empty(tx: Transaction) -> bool:
    """Whether nobody has made anything in this database yet."""
    return not tx.all(sql.tables, _Table)


def _prepare(tx: Transaction, record: str, ours: list[Migration]) -> None:
    tx.run(sql.lock_migrations)
    tx.script(record)
    newest = max(migration.version for migration in ours)
    for theirs in tx.all(sql.applied_migrations, Migration):
        if theirs.version > newest:
            raise CannotMigrate(
                f"The database has had migration {theirs.name}, which this server does not know. "
                "Run the newer server, or restore a backup made before it."
            )


def _apply(tx: Transaction, migration: Migration, script: str, step: Step | None) -> None:
    tx.run(sql.lock_migrations)
    applied = {theirs.version: theirs for theirs in tx.all(sql.applied_migrations, Migration)}
    theirs = applied.get(migration.version)
    if theirs is None:
        tx.script(script)
        if step is not None:
            step(tx)
        tx.run(sql.record_migration, **msgspec.structs.asdict(migration))
    elif theirs != migration:
        raise CannotMigrate(
            f"Migration {theirs.name} was changed after it had been applied. "
            "Put it back, and write a new one."
        )


def _ours() -> dict[Migration, str]:
    folder = resources.files("orchestrator_server.db.migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    found = {}
    for file in files:
        text = file.read_text("utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found[Migration(int(file.name[:4]), file.name, checksum)] = text
    return found
