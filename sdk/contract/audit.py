"""Audit events on the wire."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, field

from sdk.contract.base import Id, Name, Query, Resource, Search


class ActorType(StrEnum):
    USER = "user"
    ROBOT = "robot"
    JOB = "job"
    SYSTEM = "system"


class ActionType(StrEnum):
    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"
    STATUS_CHANGED = "status_changed"
    LOGIN = "login"
    LOGOUT = "logout"


class AuditQuery(Query, frozen=True, kw_only=True):
    """`from`, `to`, `user` and `q` are earlier names of what stands before them."""

    from_time: datetime | None = None
    from_: datetime | None = field(default=None, name="from")
    to_time: datetime | None = None
    to: datetime | None = None
    username: Name | None = None
    user: Name | None = None
    user_id: Id | None = None
    action: Name | None = None  # in full, "job.canceled", or one of the types
    action_type: ActionType | None = None
    entity_type: Name | None = None
    entity_id: Id | None = None
    search: Search | None = None
    q: Search | None = None
    page: Annotated[int, Meta(ge=1, le=10_000_000)] = 1
    page_size: Annotated[int, Meta(ge=1, le=200)] = 50


class AuditEvent(Resource, frozen=True, kw_only=True):
    id: int
    timestamp: datetime
    actor_type: ActorType
    actor_user_id: int | None = None
    actor_username: str | None = None
    action: str  # <noun>.<past tense>
    action_type: ActionType
    entity_type: str
    entity_id: int | None = None
    entity_name: str | None = None
    entity_display: str
    message: str
    ip_address: str | None = None
    user_agent: str | None = None


class AuditDetails(AuditEvent, frozen=True, kw_only=True):
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    metadata: dict[str, Any] = {}


class AuditPage(Resource, frozen=True, kw_only=True):
    items: list[AuditEvent]
    total: int
    total_is_exact: bool = True  # False: there are at least so many
    page: int
    page_size: int
