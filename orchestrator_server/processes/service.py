"""The verbs of a process: a script of a package, given a name."""

from typing import Any

import msgspec

from orchestrator_server import names, parameters
from orchestrator_server.access.callers import Actor, Person
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, Invalid, NotFound
from orchestrator_server.grants import service as grants
from orchestrator_server.packages import service as packages
from sdk.contract.base import Page
from sdk.contract.packages import Package
from sdk.contract.processes import Process, ProcessCreate, ProcessQuery, ProcessSecret
from sdk.contract.settings import JobSettings

sql = queries.load(__package__)


class _Id(msgspec.Struct, frozen=True):
    id: int


def create(
    tx: Transaction, person: Person, wanted: ProcessCreate, settings: JobSettings
) -> Process:
    name = names.clean(wanted.name, what="process")
    if by_name(tx, name):
        raise AlreadyExists(f"There is a process {name} already.")
    package = packages.for_use(tx, wanted.package_id)
    schema = wanted.parameters_schema
    if schema is not None:
        parameters.check_schema(schema)
    told = schema_of(package, wanted.script_path)
    process = tx.one(
        sql.insert,
        Process,
        missing="The process was not stored.",
        name=name,
        name_key=names.key(name),
        description=wanted.description,
        package_id=package.id,
        script_path=wanted.script_path,
        parameters_schema=Json(schema if schema is not None else told),
        default_parameters=Json(wanted.default_parameters),
        timeout_seconds=wanted.timeout_seconds,
        max_attempts=wanted.max_attempts or settings.default_max_attempts,
        priority=wanted.priority,
        concurrency_limit=wanted.concurrency_limit,
        labels=Json(wanted.labels),
        start=wanted.start,
        preload=Json(wanted.preload),
        secrets=Json(wanted.secrets),
        may_build=person.may_start_jobs,
    )
    audit.record(tx, person.actor, "process.created", after=process, name=name)
    return process


def schema_of(package: Package, script_path: str) -> dict[str, Any] | None:
    """What `file.py:function` takes; a `file.py` that is run as a whole says nothing of it.

    Raises Invalid if the package has no such script, or the script no such function.
    """
    path, _, function = script_path.partition(":")
    script = next((s for s in package.scripts_manifest if s.path == path), None)
    if script is None:
        raise Invalid(
            f"Package {package.name} {package.version} has no script {path}.",
            pointer="#/script_path",
        )
    if ":" not in script_path:
        return None
    for entry in script.entrypoints:
        if entry.name == function:
            return entry.parameters_schema
    if not script.is_complete and function.isidentifier() and not function.startswith("_"):
        return None  # it may be there: a script that is too large is not read
    raise Invalid(
        f"{path} of package {package.name} {package.version} has no function {function!r} that "
        "could be called from outside.",
        pointer="#/script_path",
    )


def get(tx: Transaction, process_id: int) -> Process:
    missing = f"There is no process {process_id}."
    return tx.one(sql.list, Process, missing=missing, id=process_id, limit=1)


def secrets(tx: Transaction, process_id: int) -> list[ProcessSecret]:
    """The secrets that a process may read, and those that its package asks for."""
    return grants.secrets_of(tx, process_id, get(tx, process_id).secrets)


def for_running(tx: Transaction, process_id: int) -> Process:
    """The process, which nobody changes or deletes while a job is made of it."""
    missing = f"There is no process {process_id}."
    return tx.one(sql.share, Process, missing=missing, id=process_id)


def id_of(tx: Transaction, name: str) -> int:
    found = by_name(tx, name)
    if found is None:
        raise NotFound(f"There is no process named {name}.")
    return found.id


def hold(tx: Transaction, process_id: int) -> None:
    """Let those who count its jobs, or change it, come one after the other."""
    tx.run(sql.lock, id=process_id)


def list_processes(tx: Transaction, wanted: ProcessQuery) -> Page[Process]:
    return tx.page(
        sql.list,
        Process,
        wanted,
        pattern=names.pattern(wanted.search),
        is_active=True if wanted.active_only else None,
    )


def delete(tx: Transaction, actor: Actor, process_id: int) -> None:
    hold(tx, process_id)
    process = get(tx, process_id)
    unfinished = tx.maybe(sql.unfinished_job, _Id, id=process_id)
    if unfinished:
        raise Conflict(
            f"Process {process.name} still has job {unfinished.id} to finish; cancel it first."
        )
    grants.forget_process(tx, process_id)
    tx.run(sql.delete, id=process_id)
    audit.record(tx, actor, "process.deleted", before=process, name=process.name)


def by_name(tx: Transaction, name: str) -> Process | None:
    return tx.maybe(sql.list, Process, name_key=names.key(name), limit=1)
