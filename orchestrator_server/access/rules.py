"""Which permissions there are, and what the built-in roles hold. Pure."""

from collections.abc import Iterable

import msgspec

from sdk.contract.access import Artifact, Operation, Permissions, RolePermission


class Grant(msgspec.Struct, frozen=True):
    """A row of the permissions of a role."""

    artifact: str
    can_view: bool = False
    can_create: bool = False
    can_edit: bool = False
    can_delete: bool = False


def permission(artifact: str, operation: str) -> str:
    return f"{artifact}:{operation}"


EVERYTHING = frozenset(permission(a, o) for a in Artifact for o in Operation)

_ALL = set(Operation)
_VIEW_ALL: dict[Artifact, set[Operation]] = {artifact: {Operation.VIEW} for artifact in Artifact}
_NO_ACCESS_MANAGEMENT: dict[Artifact, set[Operation]] = {
    Artifact.USERS: set(),
    Artifact.ROLES: set(),
}

BUILT_IN: dict[str, dict[Artifact, set[Operation]]] = {
    "Administrator": {artifact: _ALL for artifact in Artifact},
    "Operator": _VIEW_ALL
    | _NO_ACCESS_MANAGEMENT
    | {
        Artifact.MACHINES: _ALL,
        Artifact.ROBOTS: _ALL,
        Artifact.QUEUES: _ALL,
        Artifact.QUEUE_ITEMS: _ALL,
        Artifact.ASSETS: _ALL,
    }
    | {Artifact.JOBS: {Operation.VIEW, Operation.CREATE, Operation.EDIT}, Artifact.TRIGGERS: _ALL}
    # Whoever grants secrets also decides what the processes that read them run.
    | {Artifact.PROCESSES: {Operation.VIEW, Operation.EDIT}},
    "Developer": _VIEW_ALL
    | _NO_ACCESS_MANAGEMENT
    | {Artifact.PACKAGES: _ALL, Artifact.PROCESSES: _ALL, Artifact.QUEUE_ITEMS: _ALL}
    | {
        Artifact.JOBS: {Operation.VIEW, Operation.CREATE, Operation.EDIT},
        Artifact.AUDIT: set(),
        Artifact.SETTINGS: set(),
    },
    "Read Only": _VIEW_ALL,
}


def as_grant(given: RolePermission) -> Grant:
    """As it is stored: whoever may change a thing may see it."""
    changes = given.can_create or given.can_edit or given.can_delete
    return Grant(
        artifact=given.artifact,
        can_view=given.can_view or changes,
        can_create=given.can_create,
        can_edit=given.can_edit,
        can_delete=given.can_delete,
    )


def granted(grants: Iterable[Grant], *, is_admin: bool) -> frozenset[str]:
    """Rights add up over roles; an administrator has all."""
    if is_admin:
        return EVERYTHING
    return frozenset(
        permission(grant.artifact, operation)
        for grant in grants
        for operation in Operation
        if getattr(grant, f"can_{operation}")
    )


def as_resource(permissions: frozenset[str]) -> Permissions:
    return Permissions(
        by_artifact={
            str(a): {str(o): permission(a, o) in permissions for o in Operation} for a in Artifact
        },
        flat={name: name in permissions for name in sorted(EVERYTHING)},
    )
