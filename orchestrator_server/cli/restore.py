"""`orchestrator restore`: bring back what a backup holds."""

from pathlib import Path

import click

from orchestrator_server import backups
from orchestrator_server.cli import options
from orchestrator_server.config import Config


@click.command("restore")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options.data
@options.allow_open_data_folder
@options.database_url
def command(
    folder: Path, data: Path, allow_open_data_folder: bool, database_url: str | None
) -> None:
    """Put the backup in FOLDER into an empty data folder, once every byte of it is verified."""
    config = Config(
        data=data, database_url=database_url, allow_open_data_folder=allow_open_data_folder
    )
    if data.exists():  # else it is made, once the backup is verified
        options.close_data_folder(config)
    try:
        restored = backups.restore(config, folder)
    except backups.CannotBackUp as error:
        options.fail(str(error))
    click.echo(f"{restored.files} files are back in {data}, as they were at {restored.made_at}.")
    if not config.key_file.exists():
        click.echo(f"Put the key file back as {config.key_file} before the server is started.")
