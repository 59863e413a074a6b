"""Processes on the wire: what of a package can be run, and how."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from sdk.contract.base import Id, Labels, ListQuery, Name, Request, Resource, Search, Text

Priority = Annotated[int, Meta(ge=-1000, le=1000)]
Seconds = Annotated[int, Meta(ge=1, le=30 * 24 * 3600)]
ConcurrencyLimit = Annotated[int, Meta(ge=1, le=10_000)]
Start = Literal["cold", "warm"]  # warm: forked from a process that has loaded the modules already
Module = Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$(?!\n)", max_length=200)]
Preload = Annotated[list[Module], Meta(max_length=50)]
Attempts = Annotated[int, Meta(ge=1, le=100)]
SecretNames = Annotated[list[Name], Meta(max_length=100)]


class ProcessCreate(Request, frozen=True, kw_only=True):
    name: Name
    package_id: Id
    script_path: Name
    description: Text | None = None
    default_parameters: dict[str, Any] = {}
    parameters_schema: dict[str, Any] | None = None  # else that of the script, if it has one
    timeout_seconds: Seconds | None = None
    max_attempts: Attempts | None = None  # as the settings say
    priority: Priority = 0
    concurrency_limit: ConcurrencyLimit | None = None
    labels: Labels = []  # those a robot must have
    start: Start = "cold"
    preload: Preload = []  # modules that a warm start has loaded
    secrets: SecretNames = []  # assets that its script wants to read: a request, never a grant


class ProcessUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays."""

    name: Name | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET
    package_id: Id | UnsetType = UNSET
    script_path: Name | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    default_parameters: dict[str, Any] | UnsetType = UNSET
    parameters_schema: dict[str, Any] | UnsetType | None = UNSET
    timeout_seconds: Seconds | UnsetType | None = UNSET
    max_attempts: Attempts | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    concurrency_limit: ConcurrencyLimit | UnsetType | None = UNSET
    labels: Labels | UnsetType = UNSET
    start: Start | UnsetType = UNSET
    preload: Preload | UnsetType = UNSET
    secrets: SecretNames | UnsetType = UNSET


class ProcessProposal(Resource, frozen=True, kw_only=True):
    """A change that waits until somebody who may release it does so."""

    changes: dict[str, Any]  # as in a change of the process
    package_name: str
    package_version: str
    proposed_by: str
    proposed_at: datetime


class ProcessRelease(Request, frozen=True, kw_only=True):
    """With `proposed_at`, only the proposal of that moment is released."""

    proposed_at: datetime | None = None


class ProcessSecret(Resource, frozen=True, kw_only=True):
    """A secret asset that a process may read, or that its package asks for."""

    name: str
    exists: bool = True
    granted: bool = False
    requested: bool = False
    asset_id: int | None = None
    type: str | None = None
    robot_id: int | None = None  # the one robot whose jobs may read it
    any_process: bool = False
    from_version: int | None = None  # the first version of the process that may read it


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
    parameters_schema: dict[str, Any] | None = None
    default_parameters: dict[str, Any] = {}
    timeout_seconds: int | None = None
    max_attempts: int
    priority: int
    concurrency_limit: int | None = None
    labels: list[str] = []
    start: Start = "cold"
    preload: list[str] = []
    secrets: list[str] = []  # assets that its script wants to read
    proposal: ProcessProposal | None = None
    created_at: datetime
    updated_at: datetime
