"""People and their rights on the wire."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from sdk.contract.base import Id, ListQuery, Name, Request, Resource, Search, Text, whole

Password = Annotated[str, Meta(max_length=1024)]
Email = Annotated[str, Meta(pattern=whole(r"[^\s@<>]+@[^\s@<>]+"), max_length=254)]
UserNameText = Annotated[str, Meta(max_length=64)]
Permission = Annotated[str, Meta(pattern=whole("[a-z_]+:[a-z]+"), max_length=64)]


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


class UserKind(StrEnum):
    PERSON = "person"
    SERVICE = "service"  # a program: no password, only API tokens


class User(Resource, frozen=True, kw_only=True):
    id: int
    username: str
    kind: UserKind = UserKind.PERSON
    email: str | None = None
    full_name: str | None = None
    is_admin: bool
    is_active: bool = True
    created_at: datetime
    updated_at: datetime


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


class UserCreate(Request, frozen=True, kw_only=True):
    """Without a password, a person signs in after using a reset token."""

    username: UserNameText
    kind: UserKind = UserKind.PERSON
    password: Password | None = None
    email: Email | None = None
    full_name: Name | None = None
    is_admin: bool = False
    role_ids: Annotated[list[Id], Meta(max_length=100)] = []


class UserUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays."""

    username: UserNameText | UnsetType = UNSET
    email: Email | UnsetType | None = UNSET
    full_name: Name | UnsetType | None = UNSET
    is_admin: bool | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    current_password: Password | UnsetType = UNSET  # one's own, to change one's own e-mail


class UserQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None
    kind: UserKind | None = None


class UserRoles(Request, frozen=True, kw_only=True):
    role_ids: Annotated[list[Id], Meta(max_length=100)]


class RolePermission(Request, frozen=True, kw_only=True):
    """To create, edit or delete something includes to view it."""

    artifact: Artifact
    can_view: bool = False
    can_create: bool = False
    can_edit: bool = False
    can_delete: bool = False


class RoleCreate(Request, frozen=True, kw_only=True):
    name: Name
    description: Text | None = None
    permissions: Annotated[list[RolePermission], Meta(max_length=50)] = []


class RoleUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays; permissions that are given replace all."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    permissions: Annotated[list[RolePermission], Meta(max_length=50)] | UnsetType = UNSET


class RoleQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None


class GrantedPermission(Resource, frozen=True, kw_only=True):
    artifact: str
    can_view: bool = False
    can_create: bool = False
    can_edit: bool = False
    can_delete: bool = False


class Role(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    description: str | None = None
    is_built_in: bool
    permissions: list[GrantedPermission] = []
    created_at: datetime
    updated_at: datetime


class ApiTokenCreate(Request, frozen=True, kw_only=True):
    """For oneself, or for a service account. Scopes narrow what its user may.

    Without `expires_at` it lives 90 days, with `null` for ever.
    """

    name: Name
    user_id: Id | None = None
    scopes: Annotated[list[Permission], Meta(min_length=1, max_length=100)] | None = None
    expires_at: datetime | UnsetType | None = UNSET


class ApiToken(Resource, frozen=True, kw_only=True):
    id: int
    user_id: int
    username: str
    name: str | None = None
    hint: str | None = None
    scopes: list[str] | None = None
    created_by: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class ApiTokenCreated(ApiToken, frozen=True, kw_only=True):
    token: str  # shown this once; the server keeps a hash
    warnings: list[str] = []


class ResetToken(Resource, frozen=True, kw_only=True):
    token: str  # shown this once
    expires_at: datetime


class Register(Request, frozen=True, kw_only=True):
    username: UserNameText
    password: Password
    email: Email | None = None
    full_name: Name | None = None


class Forgot(Request, frozen=True, kw_only=True):
    username: UserNameText | None = None
    email: Annotated[str, Meta(max_length=254)] | None = None


class Accepted(Resource, frozen=True, kw_only=True):
    status: str = "ok"


class Reset(Request, frozen=True, kw_only=True):
    token: Annotated[str, Meta(max_length=200)]
    new_password: Password


class PasswordChange(Request, frozen=True, kw_only=True):
    current_password: Password
    new_password: Password
