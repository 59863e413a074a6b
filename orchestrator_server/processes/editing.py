"""The verbs with which people change a process. Jobs that exist go on with what they pinned.

Where secrets were granted to a process by name, whoever changes what it runs, or where, decides
what reads them: that takes the right to grant secrets as well.
"""

from shlex import quote
from typing import Any

import msgspec

from orchestrator_server import names, parameters
from orchestrator_server.access.callers import Person
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, Forbidden
from orchestrator_server.etags import Expected
from orchestrator_server.grants import service as grants
from orchestrator_server.packages import service as packages
from orchestrator_server.processes.service import by_name, schema_of, sql
from sdk.contract.processes import Process, ProcessUpdate

# A change of one of these is a change of what would run, or where.
_RUNS = (
    *("package_id", "script_path", "parameters_schema", "default_parameters"),
    *("labels", "start", "preload"),
)
_CODE = ("package_id", "script_path")
_LOCKED = tuple(name for name in _RUNS if name != "labels")  # of those, one may be added
_AS_JSON = ("parameters_schema", "default_parameters", "labels", "preload", "secrets", "proposal")


class _Id(msgspec.Struct, frozen=True):
    id: int


def update(
    tx: Transaction, person: Person, process_id: int, wanted: ProcessUpdate, expected: Expected
) -> Process:
    before = locked(tx, process_id)
    expected.must_fit(before)
    return change(tx, person, before, wanted.given(), "process.updated")


def upgrade(tx: Transaction, person: Person, process_id: int) -> Process:
    """To the newest active version of its package; without a newer one, nothing happens."""
    before = locked(tx, process_id)
    package = packages.newest(tx, packages.get_any(tx, before.package_id).name)
    if package is None:
        raise Conflict(
            f"No version of the package of process {before.name} is active; activate one first."
        )
    if package.id == before.package_id:
        return before
    return change(tx, person, before, {"package_id": package.id}, "process.upgraded")


def use(tx: Transaction, person: Person, package_id: int) -> list[Process]:
    """Move every process of the package's name to this version of it, up or down, or none."""
    package = packages.for_use(tx, package_id)
    ids = [row.id for row in tx.all(sql.of_package, _Id, name_key=names.key(package.name))]
    return [_use(tx, person, process_id, package.id) for process_id in ids]


def _use(tx: Transaction, person: Person, process_id: int, package_id: int) -> Process:
    before = locked(tx, process_id)
    if before.package_id == package_id:
        return before
    return change(tx, person, before, {"package_id": package_id}, "process.package_changed")


def change(
    tx: Transaction, person: Person, before: Process, changes: dict[str, Any], action: str
) -> Process:
    """Make the changes, and record `action`. A proposal that waited is settled by a change of
    what runs.

    Raises Forbidden, kind `secrets-granted`, if that takes the right to grant secrets.
    """
    changed = planned(tx, before, changes)
    if changes_what_reads_secrets(before, changed):
        _must_decide_what_reads_secrets(tx, person, before)
        changed = msgspec.structs.replace(changed, proposal=None)
    if any(getattr(before, name) != getattr(changed, name) for name in _RUNS):
        changed = msgspec.structs.replace(changed, version=before.version + 1)
    values = msgspec.structs.asdict(changed)
    values |= {name: Json(values[name]) for name in _AS_JSON}
    tx.run(
        sql.update,
        **values,
        name_key=names.key(changed.name),
        is_other_code=any(getattr(before, name) != getattr(changed, name) for name in _CODE),
        may_build=person.may_start_jobs,
    )
    process = locked(tx, before.id)
    audit.record(tx, person.actor, action, before=before, after=process, name=process.name)
    return process


def planned(tx: Transaction, before: Process, changes: dict[str, Any]) -> Process:
    """The process as it would be; raises what the change itself would, but for missing rights."""
    if "name" in changes:
        changes = changes | {"name": _free_name(tx, before, changes["name"])}
    if changes.get("parameters_schema") is not None:
        parameters.check_schema(changes["parameters_schema"])
    changed = msgspec.structs.replace(before, **changes)
    if {"package_id", "script_path"} & set(changes):
        changed = _with_script(tx, before, changed, changes)
    return changed


def changes_what_reads_secrets(before: Process, changed: Process) -> bool:
    is_other_code = any(getattr(before, name) != getattr(changed, name) for name in _LOCKED)
    return is_other_code or bool(set(before.labels) - set(changed.labels))


def locked(tx: Transaction, process_id: int) -> Process:
    """The process, which nothing else changes until this unit ends."""
    return tx.one(sql.lock, Process, missing=f"There is no process {process_id}.", id=process_id)


def _must_decide_what_reads_secrets(tx: Transaction, person: Person, process: Process) -> None:
    if person.may_grant_secrets:
        return
    if granted := grants.named(tx, process.id):
        raise Forbidden(
            f"Process {process.name} may read {', '.join(granted)}, so what it runs, and where, "
            "is changed by those who have the permission assets:edit (after `sdk login`, also the "
            "scope manage). Propose the change with `sdk publish`; they release it with "
            f"`sdk release {quote(process.name)}`.",
            kind="secrets-granted",
        )


def _with_script(
    tx: Transaction, before: Process, changed: Process, changes: dict[str, Any]
) -> Process:
    """The new script must exist; its schema takes the place of the old script's."""
    new = schema_of(packages.for_use(tx, changed.package_id), changed.script_path)
    old = schema_of(packages.get_any(tx, before.package_id), before.script_path)
    if "parameters_schema" in changes or before.parameters_schema not in (None, old):
        return changed  # somebody wrote it by hand
    return msgspec.structs.replace(changed, parameters_schema=new)


def _free_name(tx: Transaction, process: Process, wanted: str) -> str:
    name = names.clean(wanted, what="process")
    if names.key(name) != names.key(process.name) and by_name(tx, name):
        raise AlreadyExists(f"There is a process {name} already.")
    return name
