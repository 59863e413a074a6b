"""The verbs of a machine. Its key is shown once; what is kept is a hash."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from orchestrator_server import names
from orchestrator_server.access import secrets
from orchestrator_server.access.callers import Actor
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, Unauthenticated
from sdk.contract.base import Page
from sdk.contract.machines import (
    Machine,
    MachineCreate,
    MachineCreated,
    MachineKey,
    MachineMode,
    MachineQuery,
)

sql = queries.load(__package__)


class _Id(msgspec.Struct, frozen=True):
    id: int


def create(
    tx: Transaction, actor: Actor, wanted: MachineCreate, online_since: datetime
) -> MachineCreated:
    name = names.clean(wanted.name, what="machine")
    if is_named(tx, name):
        raise AlreadyExists(f"There is a machine {name} already.")
    key = secrets.new("mky") if wanted.mode is MachineMode.RUNNER else None
    created = tx.one(
        sql.insert,
        _Id,
        missing="The machine was not stored.",
        name=name,
        name_key=names.key(name),
        mode=wanted.mode,
        key_hash=key.hash if key else None,
        key_hint=key.hint if key else None,
        allowed_labels=Json(list(dict.fromkeys(wanted.allowed_labels))),
    )
    machine = get(tx, created.id, online_since)
    audit.record(tx, actor, "machine.created", after=machine, name=name)
    shown = msgspec.structs.asdict(machine)
    return MachineCreated(**shown, machine_key=key.text if key else None)


def is_named(tx: Transaction, name: str) -> bool:
    return tx.maybe(sql.by_name, _Id, name_key=names.key(name)) is not None


def get(tx: Transaction, machine_id: int, online_since: datetime) -> Machine:
    missing = f"There is no machine {machine_id}."
    return tx.one(
        sql.list, Machine, missing=missing, id=machine_id, online_since=online_since, limit=1
    )


def list_machines(tx: Transaction, wanted: MachineQuery, online_since: datetime) -> Page[Machine]:
    pattern = names.pattern(wanted.search)
    return tx.page(sql.list, Machine, wanted, pattern=pattern, online_since=online_since)


def delete(tx: Transaction, actor: Actor, machine_id: int, online_since: datetime) -> None:
    machine = get(tx, machine_id, online_since)
    if machine.robot_count:
        raise Conflict(
            f"Machine {machine.name} still has {machine.robot_count} robots; delete them first."
        )
    tx.run(sql.delete, id=machine_id)
    audit.record(tx, actor, "machine.deleted", before=machine, name=machine.name)


def renew_key(
    tx: Transaction, actor: Actor, machine_id: int, overlap: timedelta, online_since: datetime
) -> MachineKey:
    """A new key; the one before works until the overlap is over, and no longer."""
    machine = get(tx, machine_id, online_since)
    if machine.mode is not MachineMode.RUNNER:
        raise Conflict(f"Machine {machine.name} is a developer's own; it has no key.")
    key = secrets.new("mky")
    until = tx.now + overlap
    tx.run(sql.renew_key, id=machine_id, key_hash=key.hash, key_hint=key.hint, until=until)
    metadata = {"before": machine.key_hint, "after": key.hint}
    audit.record(
        tx, actor, "machine.key_renewed", entity_id=machine_id, name=machine.name, metadata=metadata
    )
    return MachineKey(machine_key=key.text, previous_until=until)


def id_of_key(tx: Transaction, machine_key: str | None) -> int:
    """The machine a key belongs to. A key dies with its machine, whatever is named so later."""
    if machine_key is None:
        raise Unauthenticated("Send the machine's key as `machine_key`.")
    if secrets.is_well_formed(machine_key, "mky"):
        found = tx.maybe(sql.by_key, _Id, key_hash=secrets.hash_of(machine_key))
        if found:
            return found.id
    raise Unauthenticated("This machine key is not valid; ask an operator for a new one.")


def hold(tx: Transaction, machine_id: int) -> None:
    """Let changes of one machine and registrations on it come one after the other, until this unit
    ends. Raises NotFound without the machine."""
    tx.one(sql.hold, _Id, missing=f"There is no machine {machine_id}.", id=machine_id)


def heard(tx: Transaction, machine_ids: list[int], at: datetime) -> None:
    tx.run(sql.heard, ids=Json(machine_ids), at=at)


def seen(tx: Transaction, machine_id: int, info: dict[str, Any] | None) -> None:
    if info is None:
        tx.run(sql.seen, id=machine_id)
    else:
        tx.run(sql.tell, id=machine_id, info=Json(info))
