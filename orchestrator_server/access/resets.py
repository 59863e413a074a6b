"""The verbs of passwords: register, change one's own, ask for a token, set a new one with it."""

from datetime import datetime, timedelta

import msgspec

from orchestrator_server.access import secrets, service, users
from orchestrator_server.access.callers import SYSTEM, Actor, Person
from orchestrator_server.access.service import Known, sql
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Forbidden, Invalid
from sdk.contract.access import Register, ResetToken, User, UserKind
from sdk.contract.audit import ActorType

VALID = timedelta(minutes=30)
FIRST_ADMIN = "admin"
NOBODY = 0


class _Holder(msgspec.Struct, frozen=True):
    id: int
    username: str
    token_id: int


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Named(msgspec.Struct, frozen=True):
    id: int
    username: str


class _Address(msgspec.Struct, frozen=True):
    email: str
    username: str


class Mail(msgspec.Struct, frozen=True):
    """A token on its way to the person who forgot a password."""

    to: str
    username: str
    token: str


def register(tx: Transaction, origin: Actor, wanted: Register, password_hash: str) -> User:
    """Somebody makes an account for themselves; it has no rights until somebody gives some."""
    actor = msgspec.structs.replace(origin, type=ActorType.USER, name=wanted.username)
    return service.create_user(
        tx,
        actor,
        wanted.username,
        password_hash,
        is_admin=False,
        email=wanted.email,
        full_name=wanted.full_name,
        action="user.registered",
    )


def known(tx: Transaction, user_id: int) -> Known:
    return tx.one(sql.standing, Known, missing="You are gone.", id=user_id)


def change(tx: Transaction, person: Person, known: Known, password_hash: str) -> None:
    """One's own; whoever else is signed in as this user is signed out."""
    service.must_still_stand(tx, known)
    tx.run(sql.set_password, id=person.id, password_hash=password_hash)
    tx.run(sql.end_sessions, user_id=person.id, except_id=person.token_id)
    audit.record(tx, person.actor, "password.changed", entity_id=person.id, name=person.username)


def issue(tx: Transaction, person: Person, user_id: int) -> ResetToken:
    """A token for an administrator to hand over; the one before, if any, is dead."""
    user = users.get(tx, user_id)
    if user_id == person.id:
        raise Forbidden("Change your own password with POST /api/auth/password instead.")
    users.must_be_above(tx, person, user)
    if user.kind is UserKind.SERVICE:
        raise Invalid("A service account has no password; give it an API token.")
    token, until = _new_token(tx, user_id)
    audit.record(tx, person.actor, "password.reset_issued", entity_id=user_id, name=user.username)
    return ResetToken(token=token, expires_at=until)


def forgotten(
    tx: Transaction, origin: Actor, username: str | None, email: str | None
) -> int | None:
    """Note that a new password was asked for; the person whose it would be, if there is one."""
    found = service.find(tx, username) if username else None
    if found is None and email:
        found = tx.maybe(sql.by_email, Known, email=email)
    audit.record(
        tx,
        origin,
        "password.reset_requested",
        entity_id=found.id if found else None,
        name=(username or email or "")[:64],
    )
    return found.id if found is not None and found.is_active else None


def mail_to(tx: Transaction, user_id: int) -> Mail | None:
    """A token for this user, if they are a person who can be written to."""
    to = tx.maybe(sql.email_of_person, _Address, id=user_id)
    return Mail(to.email, to.username, _new_token(tx, user_id)[0]) if to else None


def holder(tx: Transaction, token: str) -> _Holder:
    """Whose password a token may set; one sentence for every reason why not."""
    found = None
    if secrets.is_well_formed(token, "rst"):
        found = tx.maybe(sql.reset_token_holder, _Holder, token_hash=secrets.hash_of(token))
    if found is None:
        raise _bad_token()
    return found


def reset(tx: Transaction, origin: Actor, token: str, password_hash: str) -> None:
    found = holder(tx, token)
    if tx.maybe(sql.use_token, _Id, id=found.token_id) is None:
        raise _bad_token()  # somebody used it this instant
    tx.run(sql.set_password, id=found.id, password_hash=password_hash)
    tx.run(sql.end_sessions, user_id=found.id, except_id=NOBODY)
    actor = msgspec.structs.replace(
        origin, type=ActorType.USER, name=found.username, user_id=found.id
    )
    audit.record(tx, actor, "password.reset", entity_id=found.id, name=found.username)


def create_first_admin(tx: Transaction, password_hash: str) -> None:
    """With this password; one who waits for a password since an earlier start is given it."""
    if service.has_admin(tx):
        return
    waiting = tx.maybe(sql.passwordless_admin, _Named)
    if waiting is None:
        service.create_user(tx, SYSTEM, FIRST_ADMIN, password_hash, is_admin=True)
        return
    tx.run(sql.set_password, id=waiting.id, password_hash=password_hash)
    tx.run(sql.end_sessions, user_id=waiting.id, except_id=NOBODY)
    audit.record(tx, SYSTEM, "password.reset", entity_id=waiting.id, name=waiting.username)


def begin_setup(tx: Transaction) -> str | None:
    """A token that sets the first administrator's password; None if somebody can sign in."""
    if service.has_admin(tx):
        return None
    waiting = tx.maybe(sql.passwordless_admin, _Id)
    if waiting is not None:
        user_id = waiting.id
    elif service.find(tx, FIRST_ADMIN) is not None:
        return None  # the name is taken; `orchestrator user create` makes another one
    else:
        user_id = service.create_user(tx, SYSTEM, FIRST_ADMIN, None, is_admin=True).id
    return _new_token(tx, user_id)[0]


def _bad_token() -> Invalid:
    return Invalid(
        "This token is not valid, was used, or is older than 30 minutes; ask for a new one.",
        pointer="#/token",
    )


def _new_token(tx: Transaction, user_id: int) -> tuple[str, datetime]:
    until = tx.now + VALID
    tx.run(sql.end_resets, user_id=user_id)
    return service.keep_token(tx, "reset", user_id, until).text, until
