"""The verbs with which people change or remove a package, and ask what may be published."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from orchestrator_server import names
from orchestrator_server.access.callers import Actor
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict
from orchestrator_server.etags import Expected
from orchestrator_server.packages import reading, service
from orchestrator_server.packages.service import StoredFile, sql
from sdk.contract.packages import (
    Package,
    PackagePreflight,
    PackagePreflightAnswer,
    PackageUpdate,
)

BATCH = 1000


class _Id(msgspec.Struct, frozen=True):
    id: int


class _File(msgspec.Struct, frozen=True):
    id: int
    name: str
    version: str
    file_path: str
    sha256: str


def update(
    tx: Transaction, actor: Actor, package_id: int, wanted: PackageUpdate, expected: Expected
) -> Package:
    before = _locked(tx, package_id)
    expected.must_fit(before)
    name = before.name if wanted.name is UNSET else wanted.name
    version = before.version if wanted.version is UNSET else wanted.version
    if (name, version) != (before.name, before.version):
        reading.check_name(name, version)
        _must_be_unused(tx, before)
        known = tx.maybe(sql.by_version, Package, name_key=names.key(name), version=version)
        if known is not None and known.id != package_id:
            raise AlreadyExists(f"There is a package {name} {version} already.")
    tx.run(
        sql.update,
        id=package_id,
        name=name,
        name_key=names.key(name),
        version=version,
        version_key=service.sortable(version),
        is_active=before.is_active if wanted.is_active is UNSET else wanted.is_active,
    )
    package = service.get(tx, package_id)
    audit.record(tx, actor, "package.updated", before=before, after=package, name=_display(package))
    return package


def delete(tx: Transaction, actor: Actor, package_id: int) -> str:
    """Delete a package that nothing will run; return the path of the file nobody needs now."""
    package = _locked(tx, package_id)
    process = tx.maybe(sql.process_of, _Id, id=package_id)
    if process is not None:
        raise Conflict(
            f"Package {_display(package)} is used by process {process.id}; "
            "move the process to another version first."
        )
    proposed = tx.maybe(sql.proposal_of, _Id, id=package_id)
    if proposed is not None:
        raise Conflict(
            f"Package {_display(package)} is proposed for process {proposed.id}; "
            "discard the proposal first."
        )
    job = tx.maybe(sql.unfinished_job_of, _Id, id=package_id)
    if job is not None:
        raise Conflict(f"Package {_display(package)} is needed by job {job.id}; cancel it first.")
    stored = tx.one(sql.stored_file, StoredFile, missing="It is gone.", id=package_id)
    tx.run(sql.delete, id=package_id)
    audit.record(tx, actor, "package.deleted", before=package, name=_display(package))
    return stored.file_path


def preflight(tx: Transaction, wanted: PackagePreflight) -> PackagePreflightAnswer:
    """Whether this could be published now, before anybody sends the bytes."""
    reading.check_name(wanted.name, wanted.version)
    known = tx.maybe(
        sql.by_version, Package, name_key=names.key(wanted.name), version=wanted.version
    )
    if known is None or known.sha256 == wanted.sha256:
        return PackagePreflightAnswer(can_publish=True)
    return PackagePreflightAnswer(
        can_publish=False,
        reason=f"Package {_display(known)} exists with other content; raise the version.",
    )


def stored_files(tx: Transaction) -> list[_File]:
    """Every file that some package needs."""
    found: list[_File] = []
    while batch := tx.all(sql.files, _File, after_id=found[-1].id if found else 0, limit=BATCH):
        found += batch
    return found


def missing_files(files: Iterable[_File], there: set[str]) -> list[str]:
    return [f"{file.name} {file.version}" for file in files if file.file_path not in there]


def _locked(tx: Transaction, package_id: int) -> Package:
    missing = f"There is no package {package_id}."
    return tx.one(sql.lock, Package, missing=missing, id=package_id)


def _must_be_unused(tx: Transaction, package: Package) -> None:
    users = (
        (sql.process_of, "process"),
        (sql.proposal_of, "a proposed change of process"),
        (sql.job_of, "job"),
    )
    for query, what in users:
        if (user := tx.maybe(query, _Id, id=package.id)) is not None:
            raise Conflict(
                f"Package {_display(package)} is used by {what} {user.id}; its name and version "
                "stay. Publish it anew under another one."
            )


def _display(package: Package) -> str:
    return f"{package.name} {package.version}"
