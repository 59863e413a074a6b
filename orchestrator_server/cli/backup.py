"""`orchestrator backup`: the data of a server, whole, as it was at one moment."""

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator_server import backups
from orchestrator_server.cli import options
from orchestrator_server.config import Config


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@options.data
@options.database_url
@options.store
def command(folder: Path, data: Path, database_url: str | None, store: str | None) -> None:
    """Write a backup into the new FOLDER, while the server goes on working.

    It holds the database, the packages and the logs. The key file is not in it: keep that one
    elsewhere, because with both together the secrets can be read.
    """
    config = Config(data=data, database_url=database_url)
    try:
        made = backups.make(config, folder, datetime.now(UTC))
    except backups.CannotBackUp as error:
        options.fail(str(error))
    click.echo(f"{made.files} files, {made.size_bytes:,} bytes, are in {folder}.")
    if store:
        click.echo(f"What is in {store} is not in it: let the store keep versions, or copy it.")
    click.echo(f"Save the key file too, elsewhere: {config.key_file}")
