"""The verb with which people change a machine: its name, and the labels that it may have."""

from datetime import datetime

from msgspec import UNSET

from orchestrator_server import names
from orchestrator_server.access.callers import Actor
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists
from orchestrator_server.etags import Expected
from orchestrator_server.machines import service
from orchestrator_server.machines.service import sql
from orchestrator_server.robots import labeling
from sdk.contract.machines import Machine, MachineUpdate


def update(
    tx: Transaction,
    actor: Actor,
    machine_id: int,
    wanted: MachineUpdate,
    expected: Expected,
    online_since: datetime,
) -> tuple[Machine, list[int]]:
    """The machine, and those of its robots that have other labels now."""
    service.hold(tx, machine_id)
    before = service.get(tx, machine_id, online_since)
    expected.must_fit(before)
    name = before.name
    if wanted.name is not UNSET:
        name = names.clean(wanted.name, what="machine")
        if names.key(name) != names.key(before.name) and service.is_named(tx, name):
            raise AlreadyExists(f"There is a machine {name} already.")
    allowed = before.allowed_labels
    if wanted.allowed_labels is not UNSET:
        allowed = list(dict.fromkeys(wanted.allowed_labels))
    tx.run(
        sql.update,
        id=machine_id,
        name=name,
        name_key=names.key(name),
        allowed_labels=Json(allowed),
    )
    relabeled = labeling.relabel_machine(tx, machine_id)
    machine = service.get(tx, machine_id, online_since)
    audit.record(tx, actor, "machine.updated", before=before, after=machine, name=name)
    return machine, relabeled
