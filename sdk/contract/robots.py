"""Robots on the wire: the workers, one job at a time each."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from sdk.contract.assets import UserName
from sdk.contract.base import Id, Labels, ListQuery, Name, Request, Resource, Search, Text


class RobotStatus(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"


class RobotLogin(Request, frozen=True, kw_only=True):
    """The account that a robot signs in with where nobody is; sealed, for its jobs alone."""

    username: UserName
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class RobotCreate(Request, frozen=True, kw_only=True):
    name: Name
    machine_id: Id | None = None
    credential: RobotLogin | None = None
    labels: Labels = []


class RobotUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays; `null` takes the machine or the credential away."""

    name: Name | UnsetType = UNSET
    machine_id: Id | UnsetType | None = UNSET
    credential: RobotLogin | UnsetType | None = UNSET
    labels: Labels | UnsetType = UNSET


class RobotPause(Request, frozen=True, kw_only=True):
    comment: Text | None = None


class RobotToken(Resource, frozen=True, kw_only=True):
    """A new token. The one before dies when this one is first used."""

    api_token: str  # shown this once; the server keeps a hash


class RobotQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None
    status: RobotStatus | None = None


class Robot(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    status: RobotStatus
    paused: bool = False
    pause_comment: str | None = None
    last_heartbeat: datetime | None = None
    current_job_id: int | None = None
    machine_id: int | None = None
    machine_name: str | None = None
    machine_info: dict[str, Any] = {}
    labels: list[str] = []
    assigned_labels: list[str] = []  # by operators
    refused_labels: list[str] = []  # requested by its agent, and not allowed for its machine
    agent_version: str | None = None
    duplicate_agent_at: datetime | None = None  # when a second agent of its name was last refused
    credential_asset_id: int | None = None
    created_at: datetime
    updated_at: datetime


class RobotCreated(Robot, frozen=True, kw_only=True):
    api_token: str  # shown this once; the server keeps a hash
