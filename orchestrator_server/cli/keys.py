"""`orchestrator keys`: change the key that secrets are sealed with."""

from pathlib import Path

import click

from orchestrator_server.assets.rotation import rotate as rotate_keys
from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.keys import Keys


@click.group("keys")
def command() -> None:
    """Look after the server's keys."""


@command.command("rotate")
@options.data
@options.database_url
def rotate(data: Path, database_url: str | None) -> None:
    """Seal every secret with a new key, while the server goes on working.

    Interrupted, it goes on where it stopped when it is run again. Save the key file again
    afterwards: a backup made before does not hold the new key.
    """
    config = Config(data=data, database_url=database_url)

    async def run(database: Database, keys: Keys) -> int:
        return await rotate_keys(database, config.key_file)

    moved = options.on_database(config, run)
    click.echo(f"{moved} secrets are under a new key. Save {config.key_file} again.")
