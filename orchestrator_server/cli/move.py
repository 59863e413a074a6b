"""`orchestrator move`: from SQLite to PostgreSQL."""

from pathlib import Path

import click

from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.keys import Keys
from orchestrator_server.upgrade import upgrade


@click.command("move")
@options.data
@options.database_url
def command(data: Path, database_url: str | None) -> None:
    """Bring the SQLite database of a stopped server into an empty PostgreSQL.

    Every row is compared. What was interrupted goes on when it is run again. Packages, logs,
    artifacts and keys stay in the folder.
    """
    if database_url is None:
        options.fail("Say where to: --database-url postgresql://…")
    old = Config(data=data)
    if not old.sqlite_path.exists():
        options.fail(f"There is no SQLite database in {data}; is --data right?")
    kept = old.sqlite_path.with_name(f"{old.sqlite_path.name}.moved")
    if kept.exists():
        options.fail(f"{kept} is there, of an earlier move; put it somewhere else first.")
    options.on_existing_database(old, _brought_up_to_date)
    options.run(lambda: _migrated(Config(data=data, database_url=database_url)))
    from orchestrator_server.db import moving  # needs PostgreSQL's driver, which is there by now

    try:
        rows = moving.move(old.sqlite_path, database_url, _tell)
    except moving.CannotMove as error:
        options.fail(str(error))
    old.sqlite_path.rename(kept)
    click.echo(
        f"{rows:,} rows are in PostgreSQL, each compared. Start the server with the same --data "
        f"and this database URL. The old database is kept as {kept}."
    )


async def _brought_up_to_date(database: Database, _: Keys) -> None:
    await upgrade(database)


async def _migrated(config: Config) -> None:
    database = await options.open_now(config)
    try:
        await upgrade(database)
    finally:
        await database.close()


def _tell(table: str, rows: int) -> None:
    click.echo(f"  {table}: {rows:,}")
