"""The verbs of a role: a named set of rights that is given to users."""

import msgspec
from msgspec import UNSET

from orchestrator_server import names
from orchestrator_server.access import rules
from orchestrator_server.access.callers import SYSTEM, Person
from orchestrator_server.access.service import sql
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, Invalid
from orchestrator_server.etags import Expected
from sdk.contract.access import (
    GrantedPermission,
    Operation,
    Role,
    RoleCreate,
    RolePermission,
    RoleQuery,
    RoleUpdate,
)
from sdk.contract.base import Page


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Count(msgspec.Struct, frozen=True):
    count: int


class _OfRole(GrantedPermission, frozen=True, kw_only=True):
    role_id: int


def get(tx: Transaction, role_id: int) -> Role:
    missing = f"There is no role {role_id}."
    role = tx.one(sql.roles, Role, missing=missing, id=role_id, limit=1)
    return _with_permissions(tx, [role])[0]


def list_roles(tx: Transaction, wanted: RoleQuery) -> Page[Role]:
    page = tx.page(sql.roles, Role, wanted, pattern=names.pattern(wanted.search))
    return Page(_with_permissions(tx, page.items), page.more)


def create(tx: Transaction, person: Person, wanted: RoleCreate) -> Role:
    name = _free_name(tx, wanted.name)
    created = tx.one(
        sql.insert_own_role,
        _Id,
        missing="The role was not stored.",
        name=name,
        name_key=names.key(name),
        description=wanted.description,
    )
    _grant(tx, person, created.id, wanted.permissions)
    role = get(tx, created.id)
    audit.record(tx, person.actor, "role.created", after=role, name=name)
    return role


def update(
    tx: Transaction, person: Person, role_id: int, wanted: RoleUpdate, expected: Expected
) -> Role:
    tx.run(sql.lock_role, id=role_id)
    before = get(tx, role_id)
    expected.must_fit(before)
    _must_be_own(before)
    person.must_hold(_rights(before))  # else one could take from others what one never had
    name = before.name
    if wanted.name is not UNSET and names.key(wanted.name) != names.key(before.name):
        name = _free_name(tx, wanted.name)
    elif wanted.name is not UNSET:
        name = names.clean(wanted.name, what="role")
    tx.run(
        sql.update_role,
        id=role_id,
        name=name,
        name_key=names.key(name),
        description=before.description if wanted.description is UNSET else wanted.description,
    )
    if wanted.permissions is not UNSET:
        tx.run(sql.clear_permissions, role_id=role_id)
        _grant(tx, person, role_id, wanted.permissions)
    role = get(tx, role_id)
    audit.record(tx, person.actor, "role.updated", before=before, after=role, name=role.name)
    return role


def delete(tx: Transaction, person: Person, role_id: int) -> None:
    tx.run(sql.lock_role, id=role_id)
    role = get(tx, role_id)
    _must_be_own(role)
    [holders] = tx.all(sql.holders, _Count, id=role_id)
    if holders.count:
        raise Conflict(f"Role {role.name} is held by {holders.count} users; take it from them.")
    tx.run(sql.delete_role, id=role_id)
    audit.record(tx, person.actor, "role.deleted", before=role, name=role.name)


def update_built_in_roles(tx: Transaction) -> None:
    """Give the built-in roles of an earlier release the permissions that they have gained."""
    for name, artifacts in rules.BUILT_IN.items():
        role = tx.maybe(sql.built_in_role, _Id, name_key=names.key(name))
        if role is None:
            continue
        held = _rights(get(tx, role.id))
        wanted = {rules.permission(a, o) for a, operations in artifacts.items() for o in operations}
        if not (gained := sorted(wanted - held)):
            continue
        for artifact, operations in artifacts.items():
            can = {f"can_{operation}": operation in operations for operation in Operation}
            tx.run(sql.add_permissions, role_id=role.id, artifact=artifact, **can)
        audit.record(
            tx, SYSTEM, "role.updated", entity_id=role.id, name=name, metadata={"gained": gained}
        )


def _grant(
    tx: Transaction, person: Person, role_id: int, permissions: list[RolePermission]
) -> None:
    seen = set()
    for index, given in enumerate(permissions):
        if given.artifact in seen:
            raise Invalid(
                f"The rights to {given.artifact} are there twice; give them once.",
                pointer=f"#/permissions/{index}/artifact",
            )
        seen.add(given.artifact)
    grants = [rules.as_grant(given) for given in permissions]
    person.must_hold(rules.granted(grants, is_admin=False))
    for grant in grants:
        tx.run(sql.insert_permission, role_id=role_id, **msgspec.structs.asdict(grant))


def _with_permissions(tx: Transaction, roles: list[Role]) -> list[Role]:
    """In one query for all of them."""
    if not roles:
        return []
    ids = [role.id for role in roles]
    found: dict[int, list[GrantedPermission]] = {}
    for row in tx.all(sql.permissions_of_roles, _OfRole, first_id=min(ids), last_id=max(ids)):
        fields = msgspec.structs.asdict(row)
        found.setdefault(fields.pop("role_id"), []).append(GrantedPermission(**fields))
    return [msgspec.structs.replace(r, permissions=found.get(r.id, [])) for r in roles]


def _rights(role: Role) -> frozenset[str]:
    grants = [rules.Grant(**msgspec.structs.asdict(p)) for p in role.permissions]
    return rules.granted(grants, is_admin=False)


def _must_be_own(role: Role) -> None:
    if role.is_built_in:
        raise Conflict(f"Role {role.name} is built in and stays as it is; make a copy of it.")


def _free_name(tx: Transaction, wanted: str) -> str:
    name = names.clean(wanted, what="role")
    if tx.maybe(sql.roles, _Id, name_key=names.key(name), limit=1):
        raise AlreadyExists(f"There is a role {name} already.")
    return name
