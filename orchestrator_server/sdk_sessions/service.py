"""The verbs of a developer's sign-in: a machine asks, a person decides, the machine collects.

The session id alone is worth nothing to a stranger: a session that was begun with a challenge
gives its token to whoever has the verifier (RFC 7636), one without only to the address that began
it. Whoever asks for what is not theirs is told what they would be told of a session that waits.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from orchestrator_server import names
from orchestrator_server.access import service as access
from orchestrator_server.access.callers import Actor, Person
from orchestrator_server.access.secrets import hash_of
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Unavailable
from orchestrator_server.keys import Keys
from sdk.contract.audit import ActorType
from sdk.contract.base import ListQuery, Page
from sdk.contract.sdk_auth import (
    SdkScope,
    SdkSession,
    SdkStart,
    SdkUser,
)

sql = queries.load(__package__)

LIFE = timedelta(minutes=5)
KEPT = timedelta(days=1)  # so that what is over can still be told from what never was
MOST_OPEN = 1000
UNSHARED = ""  # in place of a challenge: no other request is answered with this session
CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words (RFC 8628, section 6.1)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table; what a person must see before they decide."""

    id: int
    session_hash: str
    user_code: str
    code_challenge: str | None
    machine_name: str
    ip_address: str | None
    scopes: list[SdkScope]
    status: str
    confirmed_by: int | None
    token_id: int | None
    created_at: datetime
    expires_at: datetime


class Started(NamedTuple):
    session_id: str
    user_code: str
    expires_at: datetime


class Collected(NamedTuple):
    """`status` is `pending`, `expired`, `ready` (to be collected) or `confirmed`."""

    status: str
    user: SdkUser | None = None
    token: str | None = None
    token_expires_at: datetime | None = None
    scopes: list[SdkScope] | None = None


class Id(msgspec.Struct, frozen=True):
    id: int


PENDING, READY, EXPIRED = Collected("pending"), Collected("ready"), Collected("expired")


def start(
    tx: Transaction, keys: Keys, origin: Actor, wanted: SdkStart, *, may_share: bool
) -> Started:
    """A new session; with `may_share`, the one that waits already for the same machine, address,
    challenge and scopes."""
    machine = names.clean(wanted.machine_name, what="machine", pointer="#/machine_name")
    scopes = sorted({SdkScope.DEFAULT, *wanted.scopes})
    same = {"machine_name": machine, "ip_address": origin.ip_address}
    if may_share and (known := _waiting(tx, wanted, same)) and known.scopes == scopes:
        session_id = _session_id(keys, known.user_code, known.expires_at)
        return Started(session_id, known.user_code, known.expires_at)
    _make_room(tx, origin)
    user_code, expires_at = _new_code(), tx.now + LIFE
    session_id = _session_id(keys, user_code, expires_at)
    tx.run(
        sql.insert,
        session_hash=hash_of(session_id),
        user_code=user_code,
        code_challenge=wanted.code_challenge or (None if may_share else UNSHARED),
        scopes=Json(scopes),
        expires_at=expires_at,
        **same,
    )
    audit.record(tx, origin, "sdk_session.started", name=machine)
    return Started(session_id, user_code, expires_at)


def _waiting(tx: Transaction, wanted: SdkStart, same: dict[str, str | None]) -> Session | None:
    if wanted.code_challenge is None:
        return tx.maybe(sql.waiting_without_challenge, Session, **same)
    return tx.maybe(sql.waiting, Session, code_challenge=wanted.code_challenge, **same)


def status(tx: Transaction, origin: Actor, session_id: str, verifier: str | None) -> Collected:
    """How it stands: pending, expired, or ready to be collected by this caller."""
    session = tx.maybe(sql.look, Session, session_hash=hash_of(session_id))
    return _standing(tx, session, origin, verifier)


def collect(
    tx: Transaction, origin: Actor, session_id: str, verifier: str | None, minutes: int
) -> Collected:
    """The token of a confirmed session, once."""
    session = tx.maybe(sql.by_session, Session, session_hash=hash_of(session_id))
    standing = _standing(tx, session, origin, verifier)
    if session is None or standing is not READY:
        return standing
    if tx.maybe(sql.collect, Id, id=session.id) is None:
        return EXPIRED
    user = tx.maybe(sql.confirmer, SdkUser, user_id=session.confirmed_by, token_id=session.token_id)
    if user is None:  # signed out, or disabled, since
        return EXPIRED
    until = tx.now + timedelta(minutes=minutes)
    token = access.keep_token(
        tx, "sdk", user.id, until, name=session.machine_name, scopes=list(session.scopes)
    )
    actor = msgspec.structs.replace(
        origin, type=ActorType.USER, name=user.username, user_id=user.id
    )
    audit.record(tx, actor, "sdk_session.login", entity_id=session.id, name=session.machine_name)
    return Collected("confirmed", user, token.text, until, session.scopes)


def list_sessions(tx: Transaction, person: Person, wanted: ListQuery) -> Page[SdkSession]:
    """One's own sign-ins from developers' machines that are still good."""
    return tx.page(sql.signed_in, SdkSession, wanted, user_id=person.id)


def mine(tx: Transaction, person: Person) -> SdkSession:
    """The session that this very token belongs to."""
    missing = "You are not signed in by `sdk login`."
    return tx.one(
        sql.signed_in, SdkSession, missing=missing, user_id=person.id, id=person.token_id, limit=1
    )


def revoke(tx: Transaction, person: Person, token_id: int) -> None:
    missing = f"You have no session {token_id}; list those that you may end."
    session = tx.one(
        sql.signed_in, SdkSession, missing=missing, user_id=person.id, id=token_id, limit=1
    )
    access.end_token(tx, token_id)
    audit.record(tx, person.actor, "sdk_session.logout", before=session, name=session.machine_name)


def forget_old(tx: Transaction) -> None:
    tx.run(sql.forget_old, before=tx.now - KEPT)


def _standing(
    tx: Transaction, session: Session | None, origin: Actor, verifier: str | None
) -> Collected:
    if session is None or session.expires_at <= tx.now or session.status in ("denied", "fetched"):
        return EXPIRED
    if session.status == "confirmed" and _is_theirs(session, origin, verifier):
        return READY
    return PENDING


def _is_theirs(session: Session, origin: Actor, verifier: str | None) -> bool:
    if not session.code_challenge:
        return session.ip_address == origin.ip_address
    digest = hashlib.sha256((verifier or "").encode("utf-8", "surrogatepass")).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(challenge, session.code_challenge)


def _make_room(tx: Transaction, origin: Actor) -> None:
    if len(tx.all(sql.open, Id, limit=MOST_OPEN)) < MOST_OPEN:
        return
    oldest = tx.maybe(sql.oldest_of_address, Id, ip_address=origin.ip_address)
    if oldest is None:
        raise Unavailable("Too many sign-ins wait to be confirmed; try again in a few minutes.")
    tx.run(sql.drop, id=oldest.id)


def _new_code() -> str:
    letters = [secrets.choice(CODE_LETTERS) for _ in range(8)]
    return "".join(letters[:4]) + "-" + "".join(letters[4:])


def _session_id(keys: Keys, user_code: str, expires_at: datetime) -> str:
    """Derived, so that it can be told again to the same machine though only its hash is kept."""
    return keys.mac("sdk session", f"{user_code}.{expires_at.timestamp()}")
