"""Who sits at the browser: a cookie that only these pages read, and proof that a form is ours.

The cookie holds the same token as a sign-in over the API, so it ends as that does. The API never
reads it: a foreign page that makes a browser send it gets nowhere.
"""

import hmac
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from orchestrator_server.access import service as access
from orchestrator_server.access import tokens
from orchestrator_server.access.callers import Person
from orchestrator_server.errors import Forbidden, Unauthenticated
from orchestrator_server.http.identify import origin
from orchestrator_server.http.keys import CLOCK, DATABASE, KEYS, PROXIES, SETTINGS

NAME = "runwright"
HOST_NAME = "__Host-runwright"  # a browser takes it over TLS only, and from this host alone


class SignedIn(NamedTuple):
    person: Person
    csrf: str  # goes into each form, and comes back with it


async def who(request: web.Request) -> SignedIn | None:
    """The person whom the cookie belongs to, if it is still good."""
    text = request.cookies.get(_name(request))
    if not text:
        return None
    try:
        claims = tokens.verify(request.app[KEYS], text, request.app[CLOCK]())
        if claims.kind is not tokens.USER:
            return None
        person = await request.app[DATABASE].read(access.person, claims, origin(request))
    except Unauthenticated:
        return None
    return SignedIn(person, request.app[KEYS].mac("console form", claims.token))


def remember(request: web.Request, response: web.Response, token: str, seconds: int) -> None:
    response.set_cookie(
        _name(request),
        token,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=_is_over_tls(request),
        samesite="Lax",
    )


def forget(request: web.Request, response: web.Response) -> None:
    response.del_cookie(
        _name(request), path="/", httponly=True, secure=_is_over_tls(request), samesite="Lax"
    )


def is_same_place(request: web.Request, address: str | None) -> bool:
    """Whether the browser sits where `address` is; unknown behind a proxy that is not trusted."""
    is_hidden = request.app[PROXIES].is_hidden(request)
    ends_tls_elsewhere = _is_over_tls(request) and not request.secure
    return address == request.remote and not is_hidden and not ends_tls_elsewhere


def must_be_our_form(request: web.Request) -> None:
    """Forbidden for a form that another site made the browser send."""
    site = request.headers.get("Sec-Fetch-Site")
    came_from = request.headers.get("Origin")
    is_ours = (
        site == "same-origin"
        if site is not None
        else came_from is None or urlsplit(came_from).netloc == request.host
    )
    if not is_ours:
        raise Forbidden("This form came from another site; open the page itself.")


def must_know(signed_in: SignedIn, csrf: str) -> None:
    """Forbidden for a form that was not made for this sign-in."""
    if not hmac.compare_digest(csrf.encode(), signed_in.csrf.encode()):
        raise Forbidden("This form is from an earlier sign-in; open the page again.")


def _is_over_tls(request: web.Request) -> bool:
    """As people see it: a proxy in front may be where TLS ends."""
    public_url = request.app[SETTINGS].general.public_url
    return request.secure or (public_url or "").startswith("https://")


def _name(request: web.Request) -> str:
    return HOST_NAME if _is_over_tls(request) else NAME
