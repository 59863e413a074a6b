"""Signing in and out, and everything about one's own password, over HTTP."""

from functools import partial

from aiohttp import web
from msgspec.structs import replace

from orchestrator_server import mail, names
from orchestrator_server.access import resets, service, tokens
from orchestrator_server.access.callers import Person
from orchestrator_server.access.passwords import check_strength
from orchestrator_server.access.throttle import SIGN_INS
from orchestrator_server.errors import Forbidden, Unauthenticated
from orchestrator_server.http import bodies
from orchestrator_server.http.identify import origin
from orchestrator_server.http.keys import (
    CLOCK,
    DATABASE,
    KEYS,
    MAILER,
    PASSWORDS,
    PROXY_DETECTOR,
    SEALER,
    SETTINGS,
    THROTTLE,
)
from orchestrator_server.http.routes import get, post, public_post
from orchestrator_server.settings.service import PASSWORD
from sdk.contract.access import (
    Accepted,
    AccessToken,
    Forgot,
    Login,
    Me,
    PasswordChange,
    Register,
    Reset,
    User,
)
from sdk.contract.audit import ActorType


async def login(request: web.Request, given: Login) -> AccessToken:
    """Sign in with a user name and a password, as an OAuth2 form or as JSON."""
    database, security = request.app[DATABASE], request.app[SETTINGS].security
    throttle, address = request.app[THROTTLE], request.remote or ""
    request.app[PROXY_DETECTOR].note_sign_in(request)
    throttle.charge(SIGN_INS, address)
    account = names.key(given.username)
    known = await database.read(service.find, given.username)
    usable = known is not None and known.is_active
    hashed = known.password_hash if known and usable else None
    # Also for those who are locked out, so that nobody learns from the time it takes. Whether
    # they are is asked afterwards: of many guesses at once each counts for the ones behind it.
    right = await request.app[PASSWORDS].verify(given.password, hashed)
    if known is None or not right or throttle.is_locked(account, address):
        if known is not None:
            throttle.failed(account, address, security)
        await database.write(service.sign_in_failed, origin(request), given.username)
        raise Unauthenticated("The user name or the password is wrong.")
    throttle.refund(SIGN_INS, address)
    throttle.succeeded(account, address)
    actor = replace(origin(request), type=ActorType.USER, name=known.username, user_id=known.id)
    minutes = security.access_token_minutes
    token = await database.write(service.sign_in, actor, known, minutes)
    now = request.app[CLOCK]()
    signed = tokens.sign(request.app[KEYS], known.id, token.text, now, minutes * 60)
    return AccessToken(access_token=signed, expires_in=minutes * 60)


async def register(request: web.Request, wanted: Register) -> User:
    """Make an account for oneself, where the settings allow it. It has no rights yet."""
    security = request.app[SETTINGS].security
    if not security.registration_enabled:
        raise Forbidden(
            "People cannot register themselves here; ask an administrator for an account.",
            kind="registration-disabled",
        )
    request.app[THROTTLE].charge("register", request.remote or "")
    minimum = security.password_min_length
    check_strength(wanted.password, minimum=minimum, username=wanted.username)
    hashed = await request.app[PASSWORDS].hash(wanted.password)
    return await request.app[DATABASE].write(resets.register, origin(request), wanted, hashed)


async def forgot(request: web.Request, wanted: Forgot) -> Accepted:
    """Ask for a token that sets a new password; it comes by mail. Always the same answer."""
    request.app[THROTTLE].charge("forgot", request.remote or "")
    app = request.app
    # Whether there is such a user, or too much was asked, shows in neither answer nor time. Only
    # a mail to an existing person is counted and queued, so that made-up names delay none.
    found = await app[DATABASE].write(
        resets.forgotten, origin(request), wanted.username, wanted.email
    )
    if found is not None and app[SETTINGS].all.email.enabled and app[THROTTLE].may_mail(found):
        app[MAILER].later(partial(_mail_token, app, found))
    return Accepted()


async def reset(request: web.Request, wanted: Reset) -> None:
    """Set a new password with a token that works once; every sign-in of the user ends."""
    request.app[THROTTLE].charge("reset", request.remote or "")
    database = request.app[DATABASE]
    holder = await database.read(resets.holder, wanted.token)
    hashed = await _hashed(request, wanted.new_password, holder.username)
    await database.write(resets.reset, origin(request), wanted.token, hashed)


async def logout(request: web.Request, person: Person) -> None:
    """Sign out: this token is dead at once."""
    person.must_be_signed_in()
    await request.app[DATABASE].write(service.sign_out, person)


async def me(request: web.Request, person: Person) -> Me:
    """Who you are, your roles, and what you may do."""
    return await request.app[DATABASE].read(service.me, person)


async def change_password(request: web.Request, person: Person, wanted: PasswordChange) -> None:
    """Change one's own password; one's other sign-ins end."""
    known = await prove_password(request, person, wanted.current_password)
    new = await _hashed(request, wanted.new_password, person.username)
    await request.app[DATABASE].write(resets.change, person, known, new)


async def prove_password(request: web.Request, person: Person, password: str) -> service.Known:
    """The caller, whose password this is: whoever holds a stolen sign-in does not know it.

    Raises Forbidden, kind `wrong-password`, if it is not; guesses count as those of a sign-in.
    """
    person.must_be_signed_in()
    throttle, address = request.app[THROTTLE], request.remote or ""
    throttle.charge(SIGN_INS, address)
    account = names.key(person.username)
    known = await request.app[DATABASE].read(resets.known, person.id)
    right = await request.app[PASSWORDS].verify(password, known.password_hash)
    if not right or throttle.is_locked(account, address):
        throttle.failed(account, address, request.app[SETTINGS].security)
        raise Forbidden("Your current password is another one.", kind="wrong-password")
    throttle.refund(SIGN_INS, address)
    return known


async def _hashed(request: web.Request, password: str, username: str) -> str:
    minimum = request.app[SETTINGS].security.password_min_length
    check_strength(password, minimum=minimum, username=username, pointer="#/new_password")
    return await request.app[PASSWORDS].hash(password)


async def _mail_token(app: web.Application, person_id: int) -> None:
    settings = app[SETTINGS].all
    found = await app[DATABASE].write(resets.mail_to, person_id)
    if found is None:
        return
    sealed = settings.email.password
    password = app[SEALER].open(sealed, PASSWORD) if sealed else None
    where = f"{settings.general.public_url or ''}/api/auth/reset"
    text = (
        f"Somebody, probably you, asked for a new password for {found.username}.\n\n"
        f"Send this token, with your new password, within 30 minutes:\n\n{found.token}\n\n"
        f"to this address:\n\n{where}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n"
    )
    subject = f"{settings.general.instance_name}: set a new password"
    await mail.send(settings.email, password, found.to, subject, text)


ROUTES = [
    public_post("/api/auth/login", login, media_types=(bodies.FORM, bodies.JSON)),
    public_post("/api/auth/register", register, status=201),
    public_post("/api/auth/forgot", forgot, status=202),
    public_post("/api/auth/reset", reset, status=204),
    post("/api/auth/logout", logout, may=None, status=204),
    get("/api/auth/me", me, may=None),
    post("/api/auth/password", change_password, may=None, status=204),
]
