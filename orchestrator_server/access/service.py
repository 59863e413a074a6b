"""The verbs of people: be created, sign in and out, be known by a token."""

import re
from datetime import datetime, timedelta

import msgspec

from orchestrator_server import names
from orchestrator_server.access import rules, secrets
from orchestrator_server.access.callers import Actor, Person
from orchestrator_server.access.tokens import Claims
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Invalid, Unauthenticated
from sdk.contract.access import Me, Operation, RoleName, User, UserKind
from sdk.contract.audit import ActorType

sql = queries.load(__package__)

_USERNAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}", re.ASCII)


class Known(msgspec.Struct, frozen=True):
    """What signing in needs to know of a user."""

    id: int
    username: str
    password_hash: str | None
    is_admin: bool
    is_active: bool


class _Inserted(msgspec.Struct, frozen=True):
    id: int


class _SignedIn(msgspec.Struct, frozen=True):
    id: int
    username: str
    is_admin: bool
    token_id: int
    scopes: list[str] | None


def create_built_in_roles(tx: Transaction) -> None:
    """Do nothing where they are there already."""
    for name, artifacts in rules.BUILT_IN.items():
        role = tx.maybe(sql.insert_role, _Inserted, name=name, name_key=names.key(name))
        if role is None:
            continue
        for artifact, operations in artifacts.items():
            can = {f"can_{operation}": operation in operations for operation in Operation}
            tx.run(sql.insert_permission, role_id=role.id, artifact=artifact, **can)


def create_user(
    tx: Transaction,
    actor: Actor,
    username: str,
    password_hash: str | None,
    *,
    is_admin: bool,
    roles: list[str] | None = None,
    kind: UserKind = UserKind.PERSON,
    email: str | None = None,
    full_name: str | None = None,
    action: str = "user.created",
) -> User:
    must_be_free(tx, username)
    username_key = names.key(username)
    user = tx.one(
        sql.insert_user,
        User,
        missing="The user was not stored.",
        username=username,
        username_key=username_key,
        kind=kind,
        email=email,
        full_name=full_name,
        password_hash=password_hash,
        is_admin=is_admin,
    )
    for role in roles or []:
        tx.run(sql.give_role, user_id=user.id, name_key=names.key(role))
    audit.record(tx, actor, action, after=user, name=username)
    return user


def must_be_free(tx: Transaction, username: str) -> None:
    must_be_a_name(username)
    if tx.maybe(sql.user_by_name, Known, username_key=names.key(username)):
        raise AlreadyExists(f"There is a user {username} already.")


def must_be_a_name(username: str) -> None:
    if not _USERNAME.fullmatch(username):
        raise Invalid(
            "A user name has 1 to 64 of the characters A-Z a-z 0-9 . _ @ + -.",
            pointer="#/username",
        )


def has_admin(tx: Transaction) -> bool:
    return tx.maybe(sql.any_admin, _Inserted) is not None


def find(tx: Transaction, username: str) -> Known | None:
    return tx.maybe(sql.user_by_name, Known, username_key=names.key(username))


def sign_in(tx: Transaction, actor: Actor, known: Known, minutes: int) -> secrets.Secret:
    """Remember a sign-in; the secret goes into the token that proves it."""
    must_still_stand(tx, known)
    token = keep_token(tx, "session", known.id, tx.now + timedelta(minutes=minutes))
    audit.record(tx, actor, "session.login", entity_id=known.id, name=actor.name)
    return token


def must_still_stand(tx: Transaction, known: Known) -> None:
    """A password takes a while to check; meanwhile it may have been changed, its user disabled."""
    now = tx.maybe(sql.standing_from_now_on, Known, id=known.id)
    if now is None or not now.is_active or now.password_hash != known.password_hash:
        raise Unauthenticated("The user name or the password is wrong.")


def keep_token(
    tx: Transaction,
    kind: str,
    user_id: int,
    until: datetime | None,
    *,
    name: str | None = None,
    scopes: list[str] | None = None,
    created_by: str | None = None,
) -> secrets.Secret:
    """A new secret of this kind, of which the hash is kept."""
    token = secrets.new({"session": "ses", "reset": "rst"}.get(kind, kind))
    tx.run(
        sql.insert_token,
        user_id=user_id,
        kind=kind,
        name=name,
        token_hash=token.hash,
        hint=token.hint,
        scopes=Json(scopes),
        created_by=created_by,
        expires_at=until,
    )
    return token


def sign_in_failed(tx: Transaction, actor: Actor, username: str) -> None:
    audit.record(tx, actor, "session.refused", name=username[:64])


def sign_out(tx: Transaction, person: Person) -> None:
    end_token(tx, person.token_id)
    audit.record(tx, person.actor, "session.logout", entity_id=person.id, name=person.username)


def end_token(tx: Transaction, token_id: int) -> None:
    tx.run(sql.revoke_token, id=token_id)


def person(tx: Transaction, claims: Claims, origin: Actor) -> Person:
    """Who holds a token, as their rights are at this moment."""
    found = tx.maybe(
        sql.signed_in,
        _SignedIn,
        token_hash=secrets.hash_of(claims.token),
        user_id=claims.user_id,
        kind=claims.kind.via,
    )
    if found is None:
        raise Unauthenticated("Your sign-in is not valid or has ended; sign in again.")
    return Person(
        id=found.id,
        username=found.username,
        permissions=permissions_of(tx, found.id, is_admin=found.is_admin),
        token_id=found.token_id,
        actor=msgspec.structs.replace(
            origin, type=ActorType.USER, name=found.username, user_id=found.id
        ),
        via=claims.kind.via,
        scopes=frozenset(found.scopes or ()),
    )


def permissions_of(tx: Transaction, user_id: int, *, is_admin: bool) -> frozenset[str]:
    grants = [] if is_admin else tx.all(sql.grants_of_user, rules.Grant, user_id=user_id)
    return rules.granted(grants, is_admin=is_admin)


def me(tx: Transaction, person: Person) -> Me:
    return Me(
        user=tx.one(sql.user, User, missing="You are gone.", id=person.id),
        roles=tx.all(sql.roles_of_user, RoleName, user_id=person.id),
        permissions=rules.as_resource(person.permissions),
    )
