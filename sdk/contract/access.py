"""People and their rights on the wire."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from sdk.contract.base import Request, Resource


class Artifact(StrEnum):
    DASHBOARD = "dashboard"
    MACHINES = "machines"
    PROCESSES = "processes"
    PACKAGES = "packages"
    ASSETS = "assets"
    JOBS = "jobs"
    ROBOTS = "robots"
    QUEUES = "queues"
    QUEUE_ITEMS = "queue_items"
    USERS = "users"
    ROLES = "roles"
    AUDIT = "audit"
    SETTINGS = "settings"
    TRIGGERS = "triggers"
    WEBHOOKS = "webhooks"


class Operation(StrEnum):
    VIEW = "view"
    CREATE = "create"
    EDIT = "edit"
    DELETE = "delete"


class Login(Request, frozen=True, kw_only=True):
    """An OAuth2 password form, or the same as JSON. What else OAuth2 puts in it is ignored."""

    username: Annotated[str, Meta(max_length=1024)]
    password: Annotated[str, Meta(max_length=1024)]
    grant_type: str | None = None
    scope: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


class AccessToken(Resource, frozen=True, kw_only=True):
    access_token: str
    token_type: str = "bearer"  # noqa: S105 -- RFC 6750's word, not a secret
    expires_in: int  # seconds


class User(Resource, frozen=True, kw_only=True):
    id: int
    username: str
    email: str | None = None
    full_name: str | None = None
    is_admin: bool


class RoleName(Resource, frozen=True, kw_only=True):
    id: int
    name: str


class Permissions(Resource, frozen=True, kw_only=True):
    by_artifact: dict[str, dict[str, bool]]
    flat: dict[str, bool]


class Me(Resource, frozen=True, kw_only=True):
    user: User
    roles: list[RoleName]
    permissions: Permissions
