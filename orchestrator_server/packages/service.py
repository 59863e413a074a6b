"""The verbs of a package: be published once and for all, be found, be fetched by its robot."""

import msgspec

from orchestrator_server import names
from orchestrator_server.access.callers import Actor, RobotCaller
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, Forbidden
from sdk.archives.manifest import Manifest
from sdk.contract.base import Page
from sdk.contract.packages import Package, PackageQuery

sql = queries.load(__package__)


class Upload(msgspec.Struct, frozen=True):
    """An archive that has been received, counted, hashed and checked."""

    name: str
    version: str
    sha256: str
    size_bytes: int
    manifest: Manifest


class StoredFile(msgspec.Struct, frozen=True):
    file_path: str
    sha256: str
    size_bytes: int


class Published(msgspec.Struct, frozen=True):
    package: Package
    is_new: bool
    file_path: str  # where its bytes are now
    replaced: str | None = None  # a file that nobody needs any more


def publish(tx: Transaction, actor: Actor, upload: Upload, file_path: str) -> Published:
    """The same bytes again are the same package, and its file: the one there was may be damaged.
    Other bytes under its version are refused. `file_path` is where they are, which no other upload
    has."""
    known = tx.maybe(
        sql.by_version, Package, name_key=names.key(upload.name), version=upload.version
    )
    if known is not None:
        if known.sha256 == upload.sha256:
            stored = tx.one(sql.stored_file, StoredFile, missing="It is gone.", id=known.id)
            tx.run(sql.set_file, id=known.id, file_path=file_path)
            return Published(known, is_new=False, file_path=file_path, replaced=stored.file_path)
        raise Conflict(
            f"Package {upload.name} {upload.version} exists with other content; "
            "a version never changes. Raise the version.",
            kind="version-exists",
        )
    package = tx.one(
        sql.insert,
        Package,
        missing="The package was not stored.",
        name=upload.name,
        name_key=names.key(upload.name),
        version=upload.version,
        version_key=sortable(upload.version),
        file_path=file_path,
        sha256=upload.sha256,
        size_bytes=upload.size_bytes,
        scripts_manifest=Json(upload.manifest.scripts),
        requires_python=upload.manifest.requires_python,
        dependencies=Json(upload.manifest.dependencies),
        created_by=actor.name,
    )
    audit.record(
        tx, actor, "package.published", after=package, name=f"{package.name} {package.version}"
    )
    return Published(package, is_new=True, file_path=file_path)


def get(tx: Transaction, package_id: int) -> Package:
    missing = f"There is no package {package_id}."
    return tx.one(sql.list, Package, missing=missing, id=package_id, limit=1)


def for_use(tx: Transaction, package_id: int) -> Package:
    """The package, which nobody deletes while something is made of it."""
    missing = f"There is no package {package_id}."
    return tx.one(sql.share, Package, missing=missing, id=package_id)


def get_any(tx: Transaction, package_id: int) -> Package:
    """Also one that was deleted, for what refers to it still."""
    missing = f"There is no package {package_id}."
    return tx.one(sql.get_any, Package, missing=missing, id=package_id)


def newest(tx: Transaction, name: str) -> Package | None:
    """The active package of this name with the highest version."""
    return tx.maybe(sql.newest, Package, name_key=names.key(name))


def list_packages(tx: Transaction, wanted: PackageQuery) -> Page[Package]:
    return tx.page(
        sql.list,
        Package,
        wanted,
        name_key=names.key(wanted.name) if wanted.name else None,
        pattern=names.pattern(wanted.search),
        is_active=True if wanted.active_only else None,
    )


def file_for(tx: Transaction, robot: RobotCaller, package_id: int) -> StoredFile:
    """Only a robot that runs a job of the package, or may be given one, may have its file."""
    for query in (sql.running_on, sql.wanted_by):
        if found := tx.maybe(query, StoredFile, robot_id=robot.id, id=package_id):
            return found
    raise Forbidden(
        f"Robot {robot.name} is not running a job of package {package_id}, and no process that it "
        "has the labels for uses it."
    )


def file_of(tx: Transaction, package_id: int) -> StoredFile:
    missing = f"There is no package {package_id}."
    return tx.one(sql.file_of, StoredFile, missing=missing, id=package_id)


def sortable(version: str) -> str:
    """A text that sorts as the numbers of X.Y.Z do."""
    return ".".join(number.zfill(9) for number in version.split("."))
