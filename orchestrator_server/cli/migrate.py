"""`orchestrator migrate`: bring the database up to date without serving."""

from pathlib import Path

import click

from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.keys import Keys


@click.command("migrate")
@options.data
@options.database_url
def command(data: Path, database_url: str | None) -> None:
    """Bring the database up to date. `serve` does the same when it starts."""

    async def nothing_more(database: Database, keys: Keys) -> None:
        pass

    options.on_database(Config(data=data, database_url=database_url), nothing_more)
    click.echo("The database is up to date.")
