"""`sdk login`, the server's side, over HTTP; its pages are in `console/`."""

import asyncio
from datetime import datetime
from urllib.parse import urlencode

from aiohttp import web

from orchestrator_server.access import tokens
from orchestrator_server.access.callers import Person
from orchestrator_server.access.secrets import hash_of
from orchestrator_server.http.identify import origin
from orchestrator_server.http.keys import (
    CLOCK,
    DATABASE,
    HAS_REMOTE_CLIENTS,
    KEYS,
    SDK_WAITING,
    SETTINGS,
    THROTTLE,
)
from orchestrator_server.http.proxies import is_forwarded
from orchestrator_server.http.routes import delete, get, post, public_get, public_post
from orchestrator_server.sdk_sessions import deciding, service
from orchestrator_server.sdk_sessions.waiting import INTERVAL_SECONDS
from sdk.contract.base import ListQuery, Page
from sdk.contract.sdk_auth import (
    SdkConfirm,
    SdkConfirmed,
    SdkSession,
    SdkStart,
    SdkStarted,
    SdkStatus,
    SdkStatusQuery,
)

PAGE = "/console/sdk"
CODES = "sdk codes"  # wrong ones, of one person


async def start_sdk_session(request: web.Request, wanted: SdkStart) -> SdkStarted:
    """Begin to sign in on a developer's machine. A person has five minutes to confirm it."""
    request.app[THROTTLE].charge("sdk starts", request.remote or "")
    public_url = request.app[SETTINGS].general.public_url
    # Behind a proxy an address may stand for many machines, and a session without a challenge
    # would be shared by all of them.
    is_same_machine = not (
        request.app[HAS_REMOTE_CLIENTS] or public_url or is_forwarded(request.headers)
    )
    started = await request.app[DATABASE].write(
        service.start,
        request.app[KEYS],
        origin(request),
        wanted,
        may_share=wanted.code_challenge is not None or is_same_machine,
    )
    # Never from the Host header: whoever sends it would choose where people confirm.
    address = (public_url or "") + PAGE
    return SdkStarted(
        session_id=started.session_id,
        user_code=started.user_code,
        verification_uri=address,
        verification_uri_complete=f"{address}?{urlencode({'code': started.user_code})}",
        expires_at=started.expires_at,
        interval=INTERVAL_SECONDS,
    )


async def confirm_sdk_session(
    request: web.Request, person: Person, wanted: SdkConfirm
) -> SdkConfirmed:
    """Confirm a developer's sign-in as oneself; again is no error, another person's is one."""
    person.must_be_signed_in()
    if wanted.user_code is not None:
        request.app[THROTTLE].charge(CODES, person.username)
    answer = await request.app[DATABASE].write(deciding.confirm, person, wanted)
    if wanted.user_code is not None:
        request.app[THROTTLE].refund(CODES, person.username)
    request.app[SDK_WAITING].wake()
    return answer


async def sdk_session_status(request: web.Request, wanted: SdkStatusQuery) -> SdkStatus:
    """How a sign-in stands; once it is confirmed, the token, once. Waits up to `wait_seconds`.

    Whoever began with a challenge sends its verifier in the header `X-Code-Verifier`.
    """
    app, caller = request.app, origin(request)
    verifier = request.headers.get("X-Code-Verifier")
    asked = (caller, wanted.session_id, verifier)
    waiting, loop = app[SDK_WAITING], asyncio.get_running_loop()
    waiting.ask(hash_of(wanted.session_id))
    until = loop.time() + wanted.wait_seconds
    found = await app[DATABASE].read(service.status, *asked)
    while found is service.PENDING and (left := until - loop.time()) > 0:
        if not await waiting.wait(left):
            break
        found = await app[DATABASE].read(service.status, *asked)
    if found is service.READY:
        minutes = app[SETTINGS].security.sdk_token_minutes
        found = await app[DATABASE].write(service.collect, *asked, minutes)
    return _told(request, found, app[CLOCK]())


async def list_sdk_sessions(
    request: web.Request, person: Person, wanted: ListQuery
) -> Page[SdkSession]:
    """Your own sign-ins from developers' machines that are still good."""
    return await request.app[DATABASE].read(service.list_sessions, person, wanted)


async def end_sdk_session(request: web.Request, person: Person, session_id: int) -> None:
    """End one of your sign-ins: its token is dead at once."""
    await request.app[DATABASE].write(service.revoke, person, session_id)


async def current_sdk_session(request: web.Request, person: Person) -> SdkSession:
    """The sign-in that your SDK token belongs to."""
    return await request.app[DATABASE].read(service.mine, person)


async def sdk_logout(request: web.Request, person: Person) -> None:
    """End the sign-in that your SDK token belongs to: the token is dead at once."""
    await request.app[DATABASE].write(service.revoke, person, person.token_id)


def _told(request: web.Request, found: service.Collected, now: datetime) -> SdkStatus:
    if found.status != "confirmed":
        return SdkStatus(status="expired" if found.status == "expired" else "pending")
    assert found.user and found.token and found.token_expires_at  # noqa: S101
    seconds = int((found.token_expires_at - now).total_seconds())
    signed = tokens.sign(request.app[KEYS], found.user.id, found.token, now, seconds, tokens.SDK)
    return SdkStatus(
        status="confirmed",
        access_token=signed,
        expires_at=found.token_expires_at,
        scopes=found.scopes,
        user=found.user,
    )


ROUTES = [
    public_post("/api/sdk/auth/start", start_sdk_session),
    post("/api/sdk/auth/confirm", confirm_sdk_session, may=None),
    public_get("/api/sdk/auth/status", sdk_session_status),
    get("/api/sdk/auth/session", current_sdk_session, may=None, sdk="default"),
    post("/api/sdk/auth/logout", sdk_logout, may=None, status=204, sdk="default"),
    get("/api/sdk/auth/sessions", list_sdk_sessions, may=None),
    delete("/api/sdk/auth/sessions/{session_id}", end_sdk_session, may=None),
]
