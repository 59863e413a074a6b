"""Processes on the wire: what of a package can be run, and how."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from sdk.contract.base import Id, ListQuery, Name, Request, Resource, Search, Text

Priority = Annotated[int, Meta(ge=-1000, le=1000)]
Seconds = Annotated[int, Meta(ge=1, le=30 * 24 * 3600)]
Attempts = Annotated[int, Meta(ge=1, le=100)]


class ProcessCreate(Request, frozen=True, kw_only=True):
    name: Name
    package_id: Id
    script_path: Name
    description: Text | None = None
    default_parameters: dict[str, Any] = {}
    timeout_seconds: Seconds | None = None
    max_attempts: Attempts = 1
    priority: Priority = 0


class ProcessQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None
    active_only: bool = False


class Process(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    description: str | None = None
    package_id: int
    script_path: str
    version: int  # rises with each change of what would run
    is_active: bool
    default_parameters: dict[str, Any] = {}
    timeout_seconds: int | None = None
    max_attempts: int
    priority: int
    created_at: datetime
    updated_at: datetime
