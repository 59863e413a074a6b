"""The verbs with which people look after users. Nobody gives more than they have."""

import msgspec

from orchestrator_server import names
from orchestrator_server.access import service
from orchestrator_server.access.callers import Person
from orchestrator_server.access.rules import EVERYTHING
from orchestrator_server.access.service import sql
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, Forbidden, Invalid
from orchestrator_server.etags import Expected
from sdk.contract.access import (
    RoleName,
    User,
    UserCreate,
    UserKind,
    UserQuery,
    UserRoles,
    UserUpdate,
)
from sdk.contract.base import Page


class _Id(msgspec.Struct, frozen=True):
    id: int


def get(tx: Transaction, user_id: int) -> User:
    return tx.one(sql.user, User, missing=f"There is no user {user_id}.", id=user_id)


def list_users(tx: Transaction, wanted: UserQuery) -> Page[User]:
    pattern = names.pattern(wanted.search)
    return tx.page(sql.users, User, wanted, pattern=pattern, kind=wanted.kind)


def create(tx: Transaction, person: Person, wanted: UserCreate, password_hash: str | None) -> User:
    if wanted.kind is UserKind.SERVICE and (password_hash or wanted.is_admin):
        raise Invalid(
            "A service account has no password and is no administrator; give it an API token.",
            pointer="#/kind",
        )
    if wanted.is_admin:
        must_be_admin(tx, person)
    user = service.create_user(
        tx,
        person.actor,
        wanted.username,
        password_hash,
        is_admin=wanted.is_admin,
        kind=wanted.kind,
        email=wanted.email,
        full_name=wanted.full_name,
    )
    if wanted.role_ids:
        _give(tx, person, user, wanted.role_ids)
    return user


def update(
    tx: Transaction,
    person: Person,
    user_id: int,
    wanted: UserUpdate,
    expected: Expected,
    proven: service.Known | None = None,
) -> User:
    """Change a user; `proven` is the caller, if they have sent their password and it was right."""
    _one_after_the_other(tx)
    before = get(tx, user_id)
    expected.must_fit(before)
    must_be_above(tx, person, before)
    changes = wanted.given()
    changes.pop("current_password", None)
    changed = msgspec.structs.replace(before, **changes)
    if user_id == person.id and changed.email != before.email:
        _must_be_proven(tx, proven)
    if names.key(changed.username) != names.key(before.username):
        service.must_be_free(tx, changed.username)
    service.must_be_a_name(changed.username)
    _check_standing(tx, person, before, changed)
    tx.run(
        sql.update_user,
        id=user_id,
        username=changed.username,
        username_key=names.key(changed.username),
        email=changed.email,
        full_name=changed.full_name,
        is_admin=changed.is_admin,
        is_active=changed.is_active,
    )
    user = get(tx, user_id)
    is_out = before.is_active and not user.is_active
    if is_out:
        tx.run(sql.end_sessions, user_id=user_id, except_id=0)  # enabled again, one signs in again
    deed = "user.disabled" if is_out else "user.updated"
    audit.record(tx, person.actor, deed, before=before, after=user, name=user.username)
    return user


def roles(tx: Transaction, user_id: int) -> list[RoleName]:
    get(tx, user_id)
    return tx.all(sql.roles_of_user, RoleName, user_id=user_id)


def set_roles(tx: Transaction, person: Person, user_id: int, wanted: UserRoles) -> list[RoleName]:
    """All of these roles and no others, or, if one cannot be given, no change."""
    _one_after_the_other(tx)
    user = get(tx, user_id)
    if user_id == person.id:
        raise Forbidden("Nobody changes their own roles; ask another administrator.")
    must_be_above(tx, person, user)
    before = roles(tx, user_id)
    tx.run(sql.clear_roles, user_id=user_id)
    _give(tx, person, user, wanted.role_ids)
    after = roles(tx, user_id)
    audit.record(
        tx,
        person.actor,
        "user.roles_changed",
        entity_id=user_id,
        name=user.username,
        metadata={"before": [r.name for r in before], "after": [r.name for r in after]},
    )
    return after


def must_be_above(tx: Transaction, person: Person, user: User) -> None:
    """Whoever takes charge of an account could act with all it may."""
    if user.id != person.id:
        person.must_hold(service.permissions_of(tx, user.id, is_admin=user.is_admin))
        if user.is_admin:
            must_be_admin(tx, person)


def _must_be_proven(tx: Transaction, proven: service.Known | None) -> None:
    """Whoever reads that mail can set the password: a stolen sign-in is not enough."""
    if proven is None:
        raise Forbidden("To change your own e-mail address, send your `current_password` with it.")
    service.must_still_stand(tx, proven)


def _give(tx: Transaction, person: Person, user: User, role_ids: list[int]) -> None:
    if len(set(role_ids)) != len(role_ids):
        raise Invalid("A role is there twice; give each once.", pointer="#/role_ids")
    for index, role_id in enumerate(role_ids):
        if tx.maybe(sql.roles, _Id, id=role_id, limit=1) is None:
            raise Invalid(f"There is no role {role_id}.", pointer=f"#/role_ids/{index}")
        tx.run(sql.add_role, user_id=user.id, role_id=role_id)
    person.must_hold(service.permissions_of(tx, user.id, is_admin=False))


def _check_standing(tx: Transaction, person: Person, before: User, changed: User) -> None:
    """Who may make or unmake administrators, and that one always remains."""
    standing = (before.is_admin, before.is_active)
    if standing == (changed.is_admin, changed.is_active):
        return
    if before.id == person.id:
        raise Forbidden("Nobody changes their own standing; ask another administrator.")
    if before.is_admin != changed.is_admin:
        must_be_admin(tx, person)
        if before.kind is UserKind.SERVICE:
            raise Invalid("A service account is no administrator.", pointer="#/is_admin")
    remaining = {admin.id for admin in tx.all(sql.admins, _Id)} - {before.id}
    still = changed.is_admin and changed.is_active
    if before.is_admin and not still and not remaining:
        raise Conflict(
            f"{before.username} is the last administrator; make another one first.",
            kind="last-admin",
        )


def _one_after_the_other(tx: Transaction) -> None:
    """Changes of users wait for each other: what one has read, the next one may not overwrite."""
    tx.all(sql.admins, _Id)


def must_be_admin(tx: Transaction, person: Person) -> None:
    """As the database has it now: somebody may have taken it away this instant."""
    person.must_hold(EVERYTHING)  # a token with scopes speaks for less than its user
    if person.id not in {admin.id for admin in tx.all(sql.admins, _Id)}:
        raise Forbidden(
            "Only an administrator decides about administrators.",
            kind="cannot-grant-more-than-you-have",
        )
