"""`sdk login`: sign in on this machine, confirmed by a person in a browser."""

import asyncio
import os
import sys
import webbrowser
from contextlib import suppress
from datetime import UTC, datetime

import click

from sdk import profiles, sign_in, token_store
from sdk.cli.connection import checked, client_at, holder
from sdk.cli.terminal import Exit, Failure, as_json, is_watched, say, show
from sdk.client import Client
from sdk.contract.sdk_auth import SdkScope, SdkStatus
from sdk.errors import NotFound
from sdk.profiles import Profile
from sdk.sign_in import Asked

SCOPES = [str(scope) for scope in SdkScope]
UNLESS_NAMED = [scope for scope in SCOPES if scope != SdkScope.MANAGE]


@click.command("login")
@click.argument("url", required=False)
@click.option("--profile", help="A name for this sign-in.  [default: the host of URL]")
@click.option("--no-browser", is_flag=True, help="Only show the address to open.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="What the token may be used for; can be repeated.  [default: all but manage]",
)
@click.option("--token-stdin", is_flag=True, help="Read a token from standard input instead.")
@click.option("--allow-http", is_flag=True, help="Accept a server without TLS on another machine.")
@as_json
def command(
    url: str | None,
    profile: str | None,
    no_browser: bool,
    scopes: tuple[str, ...],
    token_stdin: bool,
    allow_http: bool,
    as_json: bool,
) -> None:
    """Sign in to the orchestrator at URL, or again to the one you used last."""
    url, name = _where(url, profile, allow_http=allow_http)
    place = token_store.choose()
    if token_stdin:
        token = sys.stdin.readline().strip()
        if not token:
            raise click.UsageError("Nothing came on standard input; a token was expected.")
        found = asyncio.run(holder(url, token))
    else:
        wanted = [SdkScope(scope) for scope in scopes or UNLESS_NAMED]
        found, token = asyncio.run(_sign_in(url, wanted, opens=not no_browser))
    kept = Profile(
        url=url,
        username=found.username,
        kept_in=place,
        expires_at=found.expires_at,
        scopes=found.scopes,
    )
    token_store.keep(place, name, token)
    known = profiles.load()
    known.by_name[name] = kept
    known.default = name
    profiles.save(known)
    until = f" until {kept.expires_at.astimezone():%H:%M}" if kept.expires_at else ""
    text = f"Signed in to {url} as {kept.username}{until}."
    say(f"The token is in {token_store.described(place)}.")
    show({"profile": name, **_told(kept)}, text, as_json=as_json)


def _told(profile: Profile) -> dict[str, object]:
    return {
        "url": profile.url,
        "username": profile.username,
        "expires_at": profile.expires_at,
        "scopes": profile.scopes,
        "kept_in": profile.kept_in,
    }


def _where(url: str | None, profile: str | None, *, allow_http: bool) -> tuple[str, str]:
    known = profiles.load()
    if url is None:
        name = profile or known.default or ""
        if name in known.by_name:
            return known.by_name[name].url, name
        url = os.environ.get("RUNWRIGHT_URL")
    if url is None:
        raise click.UsageError("Say where: sdk login https://your-orchestrator")
    url = checked(url, allow_http=allow_http)
    return url, profile or url.partition("://")[2]


async def _sign_in(url: str, scopes: list[SdkScope], *, opens: bool) -> tuple[Profile, str]:
    async with client_at(url) as client:
        try:
            asked = await sign_in.ask(client, url, scopes)
        except NotFound as error:
            raise Failure(f"There is no orchestrator at {url}; is the address right?") from error
        _tell(asked, url, opens=opens)
        status = await _wait(client, asked)
    if status.status != "confirmed" or status.user is None or status.access_token is None:
        raise Failure(
            "It was denied, or nobody confirmed it within five minutes; run `sdk login` again.",
            Exit.SIGN_IN,
        )
    found = Profile(
        url=url,
        username=status.user.username,
        kept_in="",
        expires_at=status.expires_at,
        scopes=[str(scope) for scope in status.scopes or []],
    )
    return found, status.access_token


def _tell(asked: Asked, url: str, *, opens: bool) -> None:
    say(f"Your code is  {asked.started.user_code}")
    opened = opens and sign_in.is_at(asked.address, url) and _has_browser()
    if opened:
        with suppress(webbrowser.Error):
            opened = webbrowser.open(asked.address)
    say(f"{'If no browser opens, open' if opened else 'Open'}  {asked.address}")
    say("and check that it shows this code.")


def _has_browser() -> bool:
    """Whether one could open where the person sits; over SSH it would open elsewhere."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


async def _wait(client: Client, asked: Asked) -> SdkStatus:
    counting = asyncio.create_task(_count_down(asked.started.expires_at))
    try:
        return await sign_in.decided(client, asked)
    finally:
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting


async def _count_down(until: datetime) -> None:
    if not is_watched():
        say("Waiting for you to confirm.")
        return
    try:
        while (left := int((until - datetime.now(UTC)).total_seconds())) > 0:
            click.echo(f"\rWaiting  {left // 60}:{left % 60:02d} ", err=True, nl=False)
            await asyncio.sleep(1)
    finally:
        click.echo("\r" + " " * 20 + "\r", err=True, nl=False)
