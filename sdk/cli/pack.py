"""`sdk pack`: build the archive of a package."""

from pathlib import Path

import click

from sdk import publishing
from sdk.cli.terminal import as_json, show


@click.command("pack")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the archive.  [default: FOLDER/dist]",
)
@as_json
def command(folder: Path, output: Path | None, as_json: bool) -> None:
    """Build the archive of the package in FOLDER and print its path."""
    archive = publishing.pack(folder, output)
    show({"archive": str(archive)}, str(archive), as_json=as_json)
