"""Robots on the wire: the workers, one job at a time each."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sdk.contract.base import Id, ListQuery, Name, Request, Resource, Search


class RobotStatus(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"


class RobotCreate(Request, frozen=True, kw_only=True):
    name: Name
    machine_id: Id | None = None


class RobotQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None
    status: RobotStatus | None = None


class Robot(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    status: RobotStatus
    last_heartbeat: datetime | None = None
    current_job_id: int | None = None
    machine_id: int | None = None
    machine_name: str | None = None
    machine_info: dict[str, Any] = {}
    agent_version: str | None = None
    created_at: datetime
    updated_at: datetime


class RobotCreated(Robot, frozen=True, kw_only=True):
    api_token: str  # shown this once; the server keeps a hash
