"""The verbs of API tokens: what programs sign in with, for a person or a service account."""

from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET

from orchestrator_server.access import rules, secrets, service, users
from orchestrator_server.access.callers import Actor, Person
from orchestrator_server.access.service import sql
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import utc
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Forbidden, Invalid, Unauthenticated
from sdk.contract.access import ApiToken, ApiTokenCreate, ApiTokenCreated, UserKind
from sdk.contract.audit import ActorType
from sdk.contract.base import ListQuery, Page

PREFIX = "rw_api_"
NOTED_EVERY = timedelta(minutes=1)
LIFE = timedelta(days=90)  # unless another one is asked for


class _Holder(msgspec.Struct, frozen=True):
    id: int
    username: str
    is_admin: bool
    token_id: int
    scopes: list[str] | None
    last_used_at: datetime | None


def create(tx: Transaction, person: Person, wanted: ApiTokenCreate) -> ApiTokenCreated:
    person.must_be_signed_in()
    user_id = wanted.user_id or person.id
    if user_id != person.id:
        _must_look_after(tx, person, user_id)
    scopes = wanted.scopes
    if scopes is not None and (unknown := sorted(set(scopes) - rules.EVERYTHING)):
        raise Invalid(f"There is no permission {unknown[0]}.", pointer="#/scopes")
    until = tx.now + LIFE if wanted.expires_at is UNSET else wanted.expires_at
    if until is not None and utc(until) <= tx.now:
        raise Invalid("The token would have ended already.", pointer="#/expires_at")
    token = service.keep_token(
        tx,
        "api",
        user_id,
        until,
        name=wanted.name,
        scopes=sorted(set(scopes)) if scopes is not None else None,
        created_by=person.username,
    )
    created = tx.one(
        sql.api_tokens, ApiToken, missing="The token is gone.", token_hash=token.hash, limit=1
    )
    audit.record(tx, person.actor, "token.created", after=created, name=wanted.name)
    shown = msgspec.structs.asdict(created)
    return ApiTokenCreated(**shown, token=token.text, warnings=_warnings(created))


def _warnings(token: ApiToken) -> list[str]:
    """What makes a token worth more than it need be to a thief."""
    found = []
    if token.scopes is None:
        found.append("It has no scopes, so it may do whatever its user may: give it scopes.")
    if token.expires_at is None:
        found.append("It never expires: give it an `expires_at`, and replace it in time.")
    return found


def list_tokens(tx: Transaction, person: Person, wanted: ListQuery) -> Page[ApiToken]:
    """One's own, and with the right to see users those of service accounts."""
    services = "users:view" in person.permissions
    return tx.page(sql.api_tokens, ApiToken, wanted, user_id=person.id, services=services)


def revoke(tx: Transaction, person: Person, token_id: int) -> None:
    missing = f"You have no token {token_id}; list those that you may revoke."
    seen = {"user_id": person.id, "services": "users:view" in person.permissions}
    token = tx.one(sql.api_tokens, ApiToken, missing=missing, id=token_id, limit=1, **seen)
    if token.user_id != person.id:
        _must_look_after(tx, person, token.user_id)
    tx.run(sql.revoke_token, id=token_id)
    audit.record(tx, person.actor, "token.revoked", before=token, name=token.name)


def person(tx: Transaction, text: str, origin: Actor) -> tuple[Person, bool]:
    """Who holds a token, with what of their rights it covers; and whether to note its use."""
    found = None
    if secrets.is_well_formed(text, "api"):
        token_hash = secrets.hash_of(text)
        found = tx.maybe(sql.api_token_holder, _Holder, token_hash=token_hash)
    if found is None:
        raise Unauthenticated("This API token is not valid, or has ended; make a new one.")
    rights = service.permissions_of(tx, found.id, is_admin=found.is_admin)
    actor = msgspec.structs.replace(
        origin, type=ActorType.USER, name=found.username, user_id=found.id
    )
    holder = Person(
        id=found.id,
        username=found.username,
        permissions=rights if found.scopes is None else rights & frozenset(found.scopes),
        token_id=found.token_id,
        actor=actor,
        via="api",
    )
    return holder, found.last_used_at is None or found.last_used_at <= tx.now - NOTED_EVERY


def note_use(tx: Transaction, token_id: int) -> None:
    tx.run(sql.touch_token, id=token_id)


def _must_look_after(tx: Transaction, person: Person, user_id: int) -> None:
    person.must("users:edit")
    user = users.get(tx, user_id)
    if user.kind is not UserKind.SERVICE:
        raise Forbidden("The tokens of a person are that person's own affair.")
    users.must_be_above(tx, person, user)
