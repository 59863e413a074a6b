"""`sdk whoami`: who is signed in, where, and until when."""

import asyncio

import click

from sdk.cli.connection import find, holder, profile_option
from sdk.cli.terminal import as_json, show


@click.command("whoami")
@profile_option
@as_json
def command(profile: str | None, as_json: bool) -> None:
    """Who you are to the server, as the server sees it now."""
    known = find(profile)
    me = asyncio.run(holder(known.url, known.token))
    text = f"{me.username} at {known.url}"
    if me.scopes:
        text += f", for {', '.join(me.scopes)}"
    if me.expires_at:
        text += f", until {me.expires_at.astimezone():%H:%M}"
    told = {
        "profile": known.name,
        "url": known.url,
        "username": me.username,
        "scopes": me.scopes,
        "expires_at": me.expires_at,
    }
    show(told, text, as_json=as_json)
