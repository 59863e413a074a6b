"""`sdk logout`: end a sign-in, at the server too."""

import asyncio

import click

from sdk import profiles, token_store
from sdk.cli.connection import client_at, profile_option
from sdk.cli.terminal import as_json, say, show
from sdk.errors import NotAnOrchestrator, Unauthenticated, Unavailable, Unreachable


@click.command("logout")
@profile_option
@as_json
def command(profile: str | None, as_json: bool) -> None:
    """Sign out: the token is dead at the server, and gone here."""
    known = profiles.load()
    name = profile or known.default or ""
    stored = known.by_name.get(name)
    if stored is None:
        say("You are not signed in.")
        return
    token = token_store.read(stored.kept_in, name)
    token_store.forget(stored.kept_in, name)
    del known.by_name[name]
    if known.default == name:
        known.default = next(iter(known.by_name), None)
    profiles.save(known)
    say(f"Signed out of {stored.url}.")
    if token is not None and (problem := _revoke(stored.url, token)):
        say(problem)
    if as_json:
        show({"url": stored.url}, "", as_json=True)


def _revoke(url: str, token: str) -> str | None:
    if token.startswith("rw_api_"):
        return "It was an API token, which still works: delete it at the server."

    async def revoke() -> None:
        async with client_at(url, token) as client:
            await client.sdk_logout()

    try:
        asyncio.run(revoke())
    except Unauthenticated:
        return None  # it had ended already
    except (Unreachable, Unavailable, NotAnOrchestrator) as error:
        return f"The server could not be told, so the token ends by itself: {error}"
    return None
