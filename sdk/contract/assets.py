"""Assets on the wire: values that scripts need, secrets among them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from sdk.contract.base import Id, ListQuery, Name, Request, Resource, Search, Text

UserName = Annotated[str, Meta(min_length=1, max_length=1024)]
ProcessIds = Annotated[list[Id], Meta(max_length=1000)]


class AssetType(StrEnum):
    TEXT = "text"
    INT = "int"
    BOOLEAN = "boolean"
    JSON = "json"
    SECRET = "secret"  # noqa: S105 -- the name of a type
    CREDENTIAL = "credential"  # a user name, and a password as its value


class AssetCreate(Request, frozen=True, kw_only=True):
    name: Name
    type: Annotated[str, Meta(max_length=32)]  # earlier spellings, such as "Text", are taken too
    value: Any = None
    username: UserName | None = None  # of a credential
    description: Text | None = None
    process_ids: ProcessIds = []  # the processes whose jobs may read a secret; none at first
    any_process: bool = False  # the jobs of all processes may read it


class AssetUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays; so does a secret that is sent back as "***"."""

    name: Name | UnsetType = UNSET
    type: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    value: Any = UNSET
    username: UserName | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    process_ids: ProcessIds | UnsetType = UNSET
    any_process: bool | UnsetType = UNSET


class AssetGrant(Request, frozen=True, kw_only=True):
    """One of the two names the process. With `version`, only if the process is in that version."""

    process_id: Id | None = None
    process: Name | None = None
    version: Id | None = None


class AssetQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None


class Asset(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    type: AssetType
    value: Any = None
    username: str | None = None
    description: str | None = None
    robot_id: int | None = None  # the one robot whose jobs may read it; None: any robot's
    process_ids: list[int] = []  # the processes that may read it, if it is a secret
    any_process: bool = False
    created_at: datetime
    updated_at: datetime


class AssetValue(Resource, frozen=True, kw_only=True):
    """What a running job reads: the plain value."""

    name: str
    type: AssetType
    value: Any = None
    username: str | None = None
