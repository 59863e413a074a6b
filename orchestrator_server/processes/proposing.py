"""A change of a process that reads secrets: proposed by one person, released by another.

A proposal is a whole plan, as a publication makes it. The process goes on as it is until somebody
who may grant secrets releases the plan, which takes effect in one transaction.
"""

import msgspec

from orchestrator_server.access.callers import Person
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.packages import service as packages
from orchestrator_server.processes import editing
from orchestrator_server.processes.service import sql
from sdk.contract.processes import Process, ProcessProposal, ProcessRelease, ProcessUpdate


def propose(tx: Transaction, person: Person, process_id: int, wanted: ProcessUpdate) -> Process:
    """Keep a change for others to release, in place of an earlier one that waits.

    Raises what the change itself would raise, so that what waits can be released.
    """
    before = editing.locked(tx, process_id)
    changes = wanted.given()
    planned = editing.planned(tx, before, changes)
    package = packages.get_any(tx, planned.package_id)
    proposal = ProcessProposal(
        changes=msgspec.to_builtins(changes),
        package_name=package.name,
        package_version=package.version,
        proposed_by=person.username,
        proposed_at=tx.now,
    )
    return _keep(tx, person, before, proposal, "process.change_proposed")


def discard(tx: Transaction, person: Person, process_id: int) -> Process:
    """Drop the change that waits; without one, nothing happens."""
    before = editing.locked(tx, process_id)
    if before.proposal is None:
        return before
    return _keep(tx, person, before, None, "process.proposal_discarded")


def release(tx: Transaction, person: Person, process_id: int, which: ProcessRelease) -> Process:
    """Apply the change that waits, all of it or nothing.

    Raises Conflict if none waits, or another one than was looked at.
    """
    before = editing.locked(tx, process_id)
    if before.proposal is None:
        raise Conflict(f"No change of process {before.name} waits to be released.")
    if which.proposed_at not in (None, before.proposal.proposed_at):
        raise Conflict(
            f"Another change of process {before.name} waits by now; review it, and release that.",
            kind="proposal-changed",
        )
    wanted = msgspec.convert(before.proposal.changes, ProcessUpdate)
    process = editing.change(tx, person, before, wanted.given(), "process.change_released")
    if process.proposal is None:
        return process
    return _keep(tx, person, process, None, "process.proposal_discarded")


def _keep(
    tx: Transaction, person: Person, before: Process, proposal: ProcessProposal | None, action: str
) -> Process:
    tx.run(sql.propose, id=before.id, proposal=Json(proposal))
    process = editing.locked(tx, before.id)
    audit.record(tx, person.actor, action, before=before, after=process, name=process.name)
    return process
