"""Assets on the wire: values that scripts need, secrets among them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from sdk.contract.base import ListQuery, Name, Request, Resource, Search, Text

UserName = Annotated[str, Meta(min_length=1, max_length=1024)]


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


class AssetUpdate(Request, frozen=True, kw_only=True):
    """What is not given stays; so does a secret that is sent back as "***"."""

    name: Name | UnsetType = UNSET
    type: Annotated[str, Meta(max_length=32)] | UnsetType = UNSET
    value: Any = UNSET
    username: UserName | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class AssetQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None


class Asset(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    type: AssetType
    value: Any = None
    username: str | None = None
    description: str | None = None
    robot_id: int | None = None  # the one robot whose jobs may read it; None: any job
    created_at: datetime
    updated_at: datetime


class AssetValue(Resource, frozen=True, kw_only=True):
    """What a running job reads: the plain value."""

    name: str
    type: AssetType
    value: Any = None
    username: str | None = None
