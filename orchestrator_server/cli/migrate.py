"""`orchestrator migrate`: bring the database up to date without serving."""

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator_server.app import prepare
from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.open import open_database


@click.command("migrate")
@options.data
@options.database_url
def command(data: Path, database_url: str | None) -> None:
    """Bring the database up to date. `serve` does the same when it starts."""
    config = Config(data=data, database_url=database_url)

    async def migrate() -> None:
        database = await open_database(config, lambda: datetime.now(UTC))
        try:
            await prepare(database, config)
        finally:
            await database.close()

    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    options.run(migrate)
    click.echo("The database is up to date.")
