"""Packages on the wire: uploaded code, immutable once it has a version."""

from datetime import datetime

from sdk.contract.base import ListQuery, Name, Query, Resource, Search


class PackageUpload(Query, frozen=True, kw_only=True):
    """The form fields beside `file`; both or neither, and they agree with the file's name."""

    name: Name | None = None
    version: Name | None = None


class PackageQuery(ListQuery, frozen=True, kw_only=True):
    search: Search | None = None
    name: Name | None = None
    active_only: bool = False


class Script(Resource, frozen=True, kw_only=True):
    path: str


class Package(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    version: str
    scripts_manifest: list[Script]
    sha256: str
    size_bytes: int
    is_active: bool
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime
