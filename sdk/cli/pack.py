"""`sdk pack`: build the archive of a package."""

from pathlib import Path

import click

from sdk import publishing


@click.command("pack")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the archive.  [default: FOLDER/dist]",
)
def command(folder: Path, output: Path | None) -> None:
    """Build the archive of the package in FOLDER and print its path."""
    click.echo(publishing.pack(folder, output))
