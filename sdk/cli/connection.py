"""Who speaks to which server: a profile, or the environment of a program without one."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp
import click

from sdk import profiles, sign_in, token_store
from sdk.cli.terminal import Exit, Failure
from sdk.client import Client
from sdk.profiles import Profile
from sdk.proxies import proxy_for
from sdk.transport import Transport

T = TypeVar("T")

profile_option = click.option(
    "--profile",
    envvar="RUNWRIGHT_PROFILE",
    help="Which sign-in to use.  [default: the last one]",
)


class Known(NamedTuple):
    """Somebody who has signed in."""

    name: str | None  # of the profile; None: from the environment
    url: str
    token: str


def find(profile: str | None) -> Known:
    """RUNWRIGHT_TOKEN with RUNWRIGHT_URL, else the profile; a Failure that says what to do."""
    known = profiles.load()
    name = profile or known.default
    stored = known.by_name.get(name or "")
    if token := os.environ.get("RUNWRIGHT_TOKEN"):
        url = os.environ.get("RUNWRIGHT_URL") or (stored.url if stored else None)
        if url is None:
            raise Failure("RUNWRIGHT_TOKEN is set; set RUNWRIGHT_URL too.", Exit.SIGN_IN)
        return Known(None, checked(url), _checked_token(token.strip()))
    if name is None or stored is None:
        what = f"There is no profile {name}" if name else "You are not signed in"
        raise Failure(f"{what}; run `sdk login URL`.", Exit.SIGN_IN)
    if stored.expires_at is not None and stored.expires_at <= datetime.now(UTC):
        raise Failure(f"Your sign-in at {stored.url} has ended; run `sdk login`.", Exit.SIGN_IN)
    kept = token_store.read(stored.kept_in, name)
    if kept is None:
        where = token_store.described(stored.kept_in)
        raise Failure(f"The token is not in {where} any more; run `sdk login`.", Exit.SIGN_IN)
    return Known(name, stored.url, kept)


def _checked_token(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Failure(
            "RUNWRIGHT_TOKEN is not a token: one line of letters and digits.", Exit.SIGN_IN
        )
    return token


def checked(url: str, *, allow_http: bool = False) -> str:
    """The address without its slash; a Failure if a token would be readable on the way."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is open, a port that is none
        is_address = False
    if not is_address or not url.isprintable():
        raise Failure(
            f"{url} is not the address of a server: https://host, or http://localhost:8000."
        )
    if parts.username is not None or parts.password is not None:
        raise Failure("Leave name and password out of the address: `sdk login` asks in a browser.")
    if parts.query or parts.fragment:
        raise Failure(f"{url} has more than an address: leave out what follows ? or #.")
    if not sign_in.is_safe(url) and not (allow_http or os.environ.get("RUNWRIGHT_ALLOW_HTTP")):
        raise Failure(
            f"{url} is another machine without TLS: whoever is on the way could read your token. "
            "Use https, or say --allow-http (or RUNWRIGHT_ALLOW_HTTP=1) in a network you trust."
        )
    return url.rstrip("/")


@asynccontextmanager
async def client_at(url: str, token: str | None = None) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(proxy=proxy_for(url)) as session:
        yield Client(Transport(session, url), token)


def talk(profile: str | None, conversation: Callable[[Client], Awaitable[T]]) -> T:
    """Run `conversation` with the server of the profile, as whoever signed in."""
    known = find(profile)

    async def run() -> T:
        async with client_at(known.url, known.token) as client:
            return await conversation(client)

    return asyncio.run(run())


async def holder(url: str, token: str) -> Profile:
    """Whom a token belongs to: one of `sdk login`, or an API token made for a program."""
    async with client_at(url, token) as client:
        if token.startswith("rw_api_"):
            return Profile(url=url, username=(await client.me()).user.username, kept_in="")
        session = await client.current_sdk_session()
        return Profile(
            url=url,
            username=session.username,
            kept_in="",
            expires_at=session.expires_at,
            scopes=[str(scope) for scope in session.scopes],
        )
