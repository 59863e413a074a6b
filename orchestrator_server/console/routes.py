"""Pages: signing in, and deciding on a developer's machine that wants to."""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any
from urllib.parse import urlencode

from aiohttp import web
from msgspec import Meta

from orchestrator_server.access import routes as access
from orchestrator_server.access import service as people
from orchestrator_server.console import pages, session
from orchestrator_server.errors import OrchestratorError
from orchestrator_server.http import bodies, files, problems
from orchestrator_server.http.keys import CLOCK, DATABASE, SDK_WAITING, THROTTLE
from orchestrator_server.http.routes import Route, public_get, public_post
from orchestrator_server.sdk_sessions import deciding
from orchestrator_server.sdk_sessions.routes import CODES, PAGE
from sdk.contract.access import Login
from sdk.contract.base import Query, Request
from sdk.contract.sdk_auth import SdkConfirm

SIGN_IN = "/console/sign-in"
_OUR_PAGES = re.compile(r"/console/sdk(\?code=[A-Za-z-]{1,20})?", re.ASCII)
_MEANING = {
    "default": "read assets and queues (secrets stay hidden), and put items into queues",
    "publish": "upload and download packages, and make or change processes",
    "run": "start, retry and cancel jobs, and read them, their logs and their artifacts",
    "manage": (
        "manage queues, assets, machines and robots: this is worth every secret that your robots "
        "can reach"
    ),
}

Short = Annotated[str, Meta(max_length=200)]


class SignInPage(Query, frozen=True, kw_only=True):
    next: Short = PAGE


class SignInForm(Request, frozen=True, kw_only=True):
    username: Annotated[str, Meta(max_length=255)]
    password: Annotated[str, Meta(max_length=1024)]
    next: Short = PAGE


class SdkPage(Query, frozen=True, kw_only=True):
    code: Short = ""


class SdkForm(Request, frozen=True, kw_only=True):
    code: Short
    csrf: Short
    decision: Short


class SignOutForm(Request, frozen=True, kw_only=True):
    csrf: Short


def _in_words(handler: Callable[..., Awaitable[web.Response]]) -> Callable[..., Any]:
    """What is refused is said on a page."""

    @wraps(handler)
    async def page(request: web.Request, **given: Any) -> web.Response:
        try:
            return await handler(request, **given)
        except OrchestratorError as error:
            status = problems.status_of(error)
            return pages.render(
                request, "message.html", status=status, title="That did not work", text=str(error)
            )

    return page


@_in_words
async def sign_in_page(request: web.Request, wanted: SignInPage) -> web.Response:
    """The page to sign in on."""
    return pages.render(request, "sign_in.html", next=_safe(wanted.next), username="", problem="")


@_in_words
async def sign_in(request: web.Request, given: SignInForm) -> web.Response:
    """Sign in with a form, and go on to the page one came for."""
    session.must_be_our_form(request)
    try:
        token = await access.login(request, Login(username=given.username, password=given.password))
    except OrchestratorError as error:
        return pages.render(
            request,
            "sign_in.html",
            status=problems.status_of(error),
            next=_safe(given.next),
            username=given.username,
            problem=str(error),
        )
    response = pages.go(_safe(given.next))
    session.remember(request, response, token.access_token, token.expires_in)
    return response


@_in_words
async def sign_out(request: web.Request, given: SignOutForm) -> web.Response:
    """Sign out: the cookie's token is dead at once."""
    session.must_be_our_form(request)
    if signed_in := await session.who(request):
        session.must_know(signed_in, given.csrf)
        await request.app[DATABASE].write(people.sign_out, signed_in.person)
    response = pages.go(SIGN_IN)
    session.forget(request, response)
    return response


@_in_words
async def sdk_page(request: web.Request, wanted: SdkPage) -> web.Response:
    """Which machine asks to sign in, from where, and for what. Shows; does nothing."""
    signed_in = await session.who(request)
    if signed_in is None:
        here = PAGE + (f"?{urlencode({'code': wanted.code})}" if wanted.code else "")
        return pages.go(f"{SIGN_IN}?{urlencode({'next': _safe(here)})}")
    said: dict[str, Any] = {"username": signed_in.person.username, "csrf": signed_in.csrf}
    if not wanted.code:
        return pages.render(request, "sdk_code.html", **said)
    _charge(request, signed_in)
    asked = await request.app[DATABASE].read(deciding.look, wanted.code)
    request.app[THROTTLE].refund(CODES, signed_in.person.username)
    return pages.render(
        request,
        "sdk_confirm.html",
        asked=asked,
        age=pages.age(asked.created_at, request.app[CLOCK]()),
        meanings=[_MEANING[scope] for scope in asked.scopes],
        # A link may have been sent by somebody else: then the code has to be typed, from one's
        # own terminal.
        is_here=session.is_same_place(request, asked.ip_address),
        **said,
    )


@_in_words
async def decide_on_sdk(request: web.Request, given: SdkForm) -> web.Response:
    """Allow or deny, as oneself."""
    session.must_be_our_form(request)
    signed_in = await session.who(request)
    if signed_in is None:
        return pages.go(f"{SIGN_IN}?{urlencode({'next': PAGE})}")
    session.must_know(signed_in, given.csrf)
    _charge(request, signed_in)
    database, person = request.app[DATABASE], signed_in.person
    if given.decision != "allow":
        await database.write(deciding.deny, person, given.code)
        title, text = "Denied", "That machine got nothing. You can close this page."
    else:
        answer = await database.write(deciding.confirm, person, SdkConfirm(user_code=given.code))
        title, text = "Allowed", "Go back to your terminal. You can close this page."
        if answer.status == "expired":
            title, text = "Too late", "The sign-in has expired; begin again with `sdk login`."
    request.app[THROTTLE].refund(CODES, person.username)
    request.app[SDK_WAITING].wake()
    return pages.render(request, "message.html", title=title, text=text)


async def style(request: web.Request) -> web.Response:
    """How the pages look."""
    return files.answer(
        request, __package__, "static/console.css", "text/css", pages.HEADERS[_POLICY]
    )


def _charge(request: web.Request, signed_in: session.SignedIn) -> None:
    request.app[THROTTLE].charge(CODES, signed_in.person.username)


def _safe(path: str) -> str:
    """Where to go after signing in: one of our pages, whatever the link said."""
    return path if _OUR_PAGES.fullmatch(path) else PAGE


_POLICY = "Content-Security-Policy"
_PAGE = {"gives": bytes, "documented": False}
_FORM = {**_PAGE, "media_types": (bodies.FORM,), "limit_bytes": 16 * 1024}

ROUTES: list[Route] = [
    public_get(SIGN_IN, sign_in_page, **_PAGE),
    public_post(SIGN_IN, sign_in, **_FORM),
    public_post("/console/sign-out", sign_out, **_FORM),
    public_get(PAGE, sdk_page, **_PAGE),
    public_post(PAGE, decide_on_sdk, **_FORM),
    public_get("/console/console.css", style, **_PAGE),
]
