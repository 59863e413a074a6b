"""Queues and their items on the wire: work that jobs take one piece at a time."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from sdk.contract.base import Id, ListQuery, Name, Request, Resource, Search, Text
from sdk.contract.processes import Priority
from sdk.contract.runner import Attempt, ClaimKey

Retries = Annotated[int, Meta(ge=0, le=1000)]
LeaseSeconds = Annotated[int, Meta(ge=10, le=86_400)]
Message = Annotated[str, Meta(max_length=16384)]


class ItemStatus(StrEnum):
    NEW = "new"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"  # the work was tried, and said no
    ABANDONED = "abandoned"  # nobody finished it: its holders vanished, or its time passed


class ErrorType(StrEnum):
    BUSINESS = "business"  # the item is at fault: trying again would not help
    APPLICATION = "application"  # the attempt is at fault


class QueueCreate(Request, frozen=True, kw_only=True):
    name: Name
    description: Text | None = None
    max_retries: Retries = 0
    enforce_unique_reference: bool = False
    lease_seconds: LeaseSeconds | None = None  # None: as long as the job that took an item


class QueueUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    max_retries: Retries | UnsetType = UNSET
    lease_seconds: LeaseSeconds | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET


class QueueQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None
    active_only: bool = False


class Queue(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    description: str | None = None
    max_retries: int
    enforce_unique_reference: bool
    lease_seconds: int | None = None
    is_active: bool
    created_at: datetime
    updated_at: datetime


class QueueStats(Resource, frozen=True, kw_only=True):
    new: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    abandoned: int = 0
    dead_letters: int = 0  # failed and abandoned
    oldest_new_at: datetime | None = None


class ItemContent(Request, frozen=True, kw_only=True):
    payload: dict[str, Any]
    reference: Name | None = None
    priority: Priority = 0
    defer_until: datetime | None = None
    deadline: datetime | None = None


class ItemCreate(ItemContent, frozen=True, kw_only=True):
    queue_id: Id


class ItemsCreate(Request, frozen=True, kw_only=True):
    queue_id: Id
    items: Annotated[list[ItemContent], Meta(min_length=1, max_length=1000)]


class ItemOutcome(Resource, frozen=True, kw_only=True):
    """What became of the item at `index` of a bulk request."""

    index: int
    status: Literal["created", "duplicate", "invalid"]
    id: int | None = None  # of the new item, or of the one that has the reference
    detail: str | None = None  # what makes it invalid


class ItemOutcomes(Resource, frozen=True, kw_only=True):
    items: list[ItemOutcome]
    created: int
    duplicates: int
    invalid: int = 0


class ItemUpdate(Request, frozen=True, kw_only=True):
    """While it is new. `new` tries a dead letter again, `abandoned` gives a new item up."""

    payload: dict[str, Any] | UnsetType = UNSET
    reference: Name | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    defer_until: datetime | UnsetType | None = UNSET
    deadline: datetime | UnsetType | None = UNSET
    status: ItemStatus | UnsetType = UNSET


class ItemQuery(ListQuery, frozen=True, kw_only=True):
    queue_id: Id | None = None
    status: ItemStatus | None = None
    reference: Name | None = None
    dead_letters: bool = False


class Item(Resource, frozen=True, kw_only=True):
    id: int
    queue_id: int
    reference: str | None = None
    status: ItemStatus
    priority: int
    payload: dict[str, Any] = {}
    result: Any = None
    error_type: ErrorType | None = None
    error_message: str | None = None
    retries: int
    locked_by_robot_id: int | None = None
    locked_at: datetime | None = None
    job_id: int | None = None
    attempt: int
    defer_until: datetime | None = None
    deadline: datetime | None = None
    created_at: datetime
    updated_at: datetime


class ItemAttempt(Resource, frozen=True, kw_only=True):
    """One time an item was taken, and how that ended."""

    attempt: int
    robot_id: int | None = None
    job_id: int | None = None
    status: str  # in_progress, completed, failed, or returned
    error_type: ErrorType | None = None
    error_message: str | None = None
    created_at: datetime
    finished_at: datetime | None = None


class ItemClaim(Request, frozen=True, kw_only=True):
    queue: Name  # its name
    claim_key: ClaimKey | None = None


class ItemClaimed(Resource, frozen=True, kw_only=True, omit_defaults=True):
    item: Item | None
    lease_seconds: float | None = None  # it is somebody else's then, unless it was renewed
    key_used: bool = False


class ItemComplete(Request, frozen=True, kw_only=True):
    attempt: Attempt
    result: Any = None


class ItemFail(Request, frozen=True, kw_only=True):
    attempt: Attempt
    error_type: ErrorType = ErrorType.APPLICATION
    error_message: Message | None = None


class ItemRenew(Request, frozen=True, kw_only=True):
    attempt: Attempt
