"""The verbs with which people change a process. Jobs that exist go on with what they pinned."""

from typing import Any

import msgspec

from orchestrator_server import names, parameters
from orchestrator_server.access.callers import Actor
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict
from orchestrator_server.etags import Expected
from orchestrator_server.packages import service as packages
from orchestrator_server.processes.service import by_name, schema_of, sql
from sdk.contract.processes import Process, ProcessUpdate

# A change of one of these is a change of what would run.
_RUNS = ("package_id", "script_path", "parameters_schema", "default_parameters")
_AS_JSON = ("parameters_schema", "default_parameters", "labels", "preload")


def update(
    tx: Transaction, actor: Actor, process_id: int, wanted: ProcessUpdate, expected: Expected
) -> Process:
    before = _locked(tx, process_id)
    expected.must_fit(before)
    changes = wanted.given()
    if "name" in changes:
        changes["name"] = _free_name(tx, before, changes["name"])
    if changes.get("parameters_schema") is not None:
        parameters.check_schema(changes["parameters_schema"])
    return _change(tx, actor, before, changes, "process.updated")


def upgrade(tx: Transaction, actor: Actor, process_id: int) -> Process:
    """To the newest active version of its package; without a newer one, nothing happens."""
    before = _locked(tx, process_id)
    package = packages.newest(tx, packages.get_any(tx, before.package_id).name)
    if package is None:
        raise Conflict(
            f"No version of the package of process {before.name} is active; activate one first."
        )
    if package.id == before.package_id:
        return before
    return _change(tx, actor, before, {"package_id": package.id}, "process.upgraded")


def _change(
    tx: Transaction, actor: Actor, before: Process, changes: dict[str, Any], action: str
) -> Process:
    changed = msgspec.structs.replace(before, **changes)
    if {"package_id", "script_path"} & set(changes):
        changed = _with_script(tx, before, changed, changes)
    if any(getattr(before, name) != getattr(changed, name) for name in _RUNS):
        changed = msgspec.structs.replace(changed, version=before.version + 1)
    values = msgspec.structs.asdict(changed)
    values |= {name: Json(values[name]) for name in _AS_JSON}
    tx.run(sql.update, **values, name_key=names.key(changed.name))
    process = _locked(tx, before.id)
    audit.record(tx, actor, action, before=before, after=process, name=process.name)
    return process


def _with_script(
    tx: Transaction, before: Process, changed: Process, changes: dict[str, Any]
) -> Process:
    """The new script must exist; its schema takes the place of the old script's."""
    new = schema_of(packages.for_use(tx, changed.package_id), changed.script_path)
    old = schema_of(packages.get_any(tx, before.package_id), before.script_path)
    if "parameters_schema" in changes or before.parameters_schema not in (None, old):
        return changed  # somebody wrote it by hand
    return msgspec.structs.replace(changed, parameters_schema=new)


def _locked(tx: Transaction, process_id: int) -> Process:
    return tx.one(sql.lock, Process, missing=f"There is no process {process_id}.", id=process_id)


def _free_name(tx: Transaction, process: Process, wanted: str) -> str:
    name = names.clean(wanted, what="process")
    if names.key(name) != names.key(process.name) and by_name(tx, name):
        raise AlreadyExists(f"There is a process {name} already.")
    return name
