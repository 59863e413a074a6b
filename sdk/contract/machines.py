"""Machines on the wire: the hosts that robots live on."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import UNSET, UnsetType

from sdk.contract.base import Labels, ListQuery, Name, Request, Resource, Search


class MachineMode(StrEnum):
    RUNNER = "runner"  # unattended: its agent registers robots with the machine's key
    AGENT = "agent"  # a developer's own


class MachineStatus(StrEnum):
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class MachineCreate(Request, frozen=True, kw_only=True):
    name: Name
    mode: MachineMode = MachineMode.RUNNER
    allowed_labels: Labels = []  # of which its agent may request any for its robots


class MachineUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays."""

    name: Name | UnsetType = UNSET
    allowed_labels: Labels | UnsetType = UNSET


class MachineQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None


class Machine(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    mode: MachineMode
    status: MachineStatus
    last_seen_at: datetime | None = None
    robot_count: int = 0
    info: dict[str, Any] = {}
    allowed_labels: list[str] = []
    key_hint: str | None = None  # the ends of its key, to tell keys apart
    created_at: datetime
    updated_at: datetime


class MachineKey(Resource, frozen=True, kw_only=True):
    """A new key. The one before goes on working until `previous_until`."""

    machine_key: str  # shown this once; the server keeps a hash
    previous_until: datetime


class MachineCreated(Machine, frozen=True, kw_only=True):
    machine_key: str | None = None  # shown this once; the server keeps a hash
