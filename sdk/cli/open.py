"""`sdk open`: the server's pages in a browser."""

import webbrowser

import click

from sdk.cli.connection import find, profile_option
from sdk.cli.terminal import as_json, say, show


@click.command("open")
@profile_option
@as_json
def command(profile: str | None, as_json: bool) -> None:
    """Open the pages of the orchestrator you are signed in to."""
    address = find(profile).url + "/docs"
    show({"url": address}, address, as_json=as_json)
    if not webbrowser.open(address):
        say("No browser could be opened here; open the address yourself.")
