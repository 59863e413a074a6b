"""Signing in and out over HTTP."""

from aiohttp import web
from msgspec.structs import replace

from orchestrator_server.access import service, tokens
from orchestrator_server.access.callers import Person
from orchestrator_server.errors import Unauthenticated
from orchestrator_server.http import bodies
from orchestrator_server.http.identify import origin
from orchestrator_server.http.keys import CLOCK, DATABASE, KEYS, PASSWORDS
from orchestrator_server.http.routes import get, post, public_post
from sdk.contract.access import AccessToken, Login, Me
from sdk.contract.audit import ActorType


async def login(request: web.Request, given: Login) -> AccessToken:
    """Sign in with a user name and a password, as an OAuth2 form or as JSON."""
    database = request.app[DATABASE]
    known = await database.read(service.find, given.username)
    usable = known is not None and known.is_active
    hashed = known.password_hash if known and usable else None
    right = await request.app[PASSWORDS].verify(given.password, hashed)
    if known is None or not right:
        await database.write(service.sign_in_failed, origin(request), given.username)
        raise Unauthenticated("The user name or the password is wrong.")
    actor = replace(origin(request), type=ActorType.USER, name=known.username, user_id=known.id)
    token = await database.write(service.sign_in, actor, known.id)
    signed = tokens.sign(request.app[KEYS], known.id, token.text, request.app[CLOCK]())
    return AccessToken(access_token=signed, expires_in=tokens.ACCESS_SECONDS)


async def logout(request: web.Request, person: Person) -> None:
    """Sign out: this token is dead at once."""
    await request.app[DATABASE].write(service.sign_out, person)


async def me(request: web.Request, person: Person) -> Me:
    """Who you are, your roles, and what you may do."""
    return await request.app[DATABASE].read(service.me, person)


ROUTES = [
    public_post("/api/auth/login", login, media_types=(bodies.FORM, bodies.JSON)),
    post("/api/auth/logout", logout, may=None, status=204),
    get("/api/auth/me", me, may=None),
]
