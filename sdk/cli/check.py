"""`sdk check`: everything that is wrong with a package, before anybody else finds out."""

from pathlib import Path

import click

from sdk import checking
from sdk.cli.terminal import Exit, as_json, say, show


@click.command("check")
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default="."
)
@as_json
@click.pass_context
def command(context: click.Context, folder: Path, as_json: bool) -> None:
    """Check the package in FOLDER without running any of it."""
    mistakes = checking.check(folder)
    text = "\n".join(map(str, mistakes))
    if as_json or mistakes:
        show([mistake._asdict() for mistake in mistakes], text, as_json=as_json)
    if not all(mistake.is_warning for mistake in mistakes):
        context.exit(Exit.ERROR)
    say("Nothing is wrong with it.")
