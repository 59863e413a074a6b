"""Packages on the wire: uploaded code, immutable once it has a version."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from sdk.contract.base import ListQuery, Name, Query, Request, Resource, Search, Sha256


class PackageUpload(Query, frozen=True, kw_only=True):
    """The form fields beside `file`; both or neither, and they agree with the file's name."""

    name: Name | None = None
    version: Name | None = None


class PackageUpdate(Request, frozen=True, kw_only=True):
    """Name and version can change while no process and no job refers to the package."""

    name: Name | UnsetType = UNSET
    version: Name | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class PackagePreflight(Request, frozen=True, kw_only=True):
    name: Name
    version: Name
    sha256: Sha256 | None = None  # of the archive: the same bytes may be published again


class PackagePreflightAnswer(Resource, frozen=True, kw_only=True):
    can_publish: bool
    reason: str | None = None


class PackageQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None
    name: Name | None = None
    active_only: bool = False


class Entrypoint(Resource, frozen=True, kw_only=True):
    """A public function of a script, and what it takes, as JSON Schema."""

    name: str
    description: str | None = None
    parameters_schema: dict[str, Any] | None = None


class Script(Resource, frozen=True, kw_only=True):
    """`entrypoint` is "main" where the script has a function of that name.

    If `is_complete` is false, the script is too large to be read, or has too much in it: it may
    have other functions than those listed.
    """

    path: str
    entrypoint: str | None = None
    entrypoints: list[Entrypoint] = []
    is_complete: bool = True


class Package(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    version: str
    scripts_manifest: list[Script]
    requires_python: str | None = None
    dependencies: list[str] | None = None
    sha256: str
    size_bytes: int
    is_active: bool
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime
