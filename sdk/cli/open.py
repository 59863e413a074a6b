"""`sdk open`: the server's pages in a browser."""

import webbrowser

import click

from sdk.cli.connection import find, profile_option
from sdk.cli.terminal import say


@click.command("open")
@profile_option
def command(profile: str | None) -> None:
    """Open the pages of the orchestrator you are signed in to."""
    address = find(profile).url + "/docs"
    click.echo(address)
    if not webbrowser.open(address):
        say("No browser could be opened here; open the address yourself.")
