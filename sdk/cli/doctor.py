"""`sdk doctor`: what stands in the way on this machine."""

import asyncio
import platform
from collections.abc import Iterator
from typing import NamedTuple

import click

from sdk import token_store
from sdk.cli.connection import client_at, find, holder, profile_option
from sdk.cli.terminal import Exit, as_json, show
from sdk.errors import NotAnOrchestrator, Refused, Unreachable
from sdk.profiles import ProfileError


class Finding(NamedTuple):
    is_well: bool
    about: str
    detail: str


@click.command("doctor")
@profile_option
@as_json
@click.pass_context
def command(context: click.Context, profile: str | None, as_json: bool) -> None:
    """Check this machine, the sign-in and the server; changes nothing."""
    findings = list(_look(profile))
    lines = [f"{'ok ' if f.is_well else 'bad'}  {f.about}: {f.detail}" for f in findings]
    show([finding._asdict() for finding in findings], "\n".join(lines), as_json=as_json)
    if not all(finding.is_well for finding in findings):
        context.exit(Exit.ERROR)


def _look(profile: str | None) -> Iterator[Finding]:
    yield Finding(True, "Python", platform.python_version())
    try:
        yield Finding(True, "Tokens", token_store.described(token_store.choose()))
    except ProfileError as error:
        yield Finding(False, "Tokens", str(error))
        return
    try:
        known = find(profile)
    except (click.ClickException, ProfileError) as error:
        said = error.message if isinstance(error, click.ClickException) else str(error)
        yield Finding(False, "Sign-in", said)
        return
    try:
        yield asyncio.run(_server(known.url))
        me = asyncio.run(holder(known.url, known.token))
        yield Finding(True, "Sign-in", f"{me.username} at {known.url}")
    except (Refused, Unreachable, NotAnOrchestrator) as error:
        yield Finding(False, known.url, str(error))


async def _server(url: str) -> Finding:
    async with client_at(url) as client:
        ready = await client.ready()
    parts = ", ".join(f"{name} {state}" for name, state in ready.parts.items())
    return Finding(ready.status == "ok", "Server", f"{url}: {parts}")
