"""The verbs with which people change what becomes of a job: move, end, stop, run again."""

from typing import Any

import msgspec
from msgspec import UNSET

from orchestrator_server.access.callers import Actor, Person
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, Invalid, NotFound
from orchestrator_server.etags import Expected
from orchestrator_server.jobs import lifecycle, service
from orchestrator_server.jobs.service import Id, Target, sql
from orchestrator_server.jobs.wants import Wants
from orchestrator_server.packages import service as packages
from orchestrator_server.processes import service as processes
from orchestrator_server.robots import service as robots
from sdk.contract.jobs import Job, JobStatus, JobUpdate, Reason


class _Pinned(msgspec.Struct, frozen=True):
    """What a job runs, where, and with what."""

    process_id: int
    process_version: int
    package_id: int
    script_path: str
    wanted_robot_id: int | None
    wanted_machine_id: int | None
    labels: list[str]
    added_labels: list[str] | None  # None: not known, of a job made by an earlier release
    parameters: dict[str, Any]
    priority: int
    max_attempts: int
    timeout_seconds: int | None


def update(
    tx: Transaction, actor: Actor, job_id: int, wanted: JobUpdate, expected: Expected
) -> Job:
    state = _state(tx, job_id)
    before = service.get(tx, job_id)
    expected.must_fit(before)
    if wanted.status is UNSET and (wanted.error_message or wanted.result is not None):
        raise Invalid("A result or an error needs the status `failed`.", pointer="#/status")
    if wanted.robot_id is not UNSET or wanted.priority is not UNSET:
        _move(tx, state, before, wanted)
    if wanted.status == "canceled":
        service.end(tx, state, JobStatus.CANCELED, reason=Reason.CANCELED_BY_USER)
    elif wanted.status == "failed":
        _fail(tx, state, wanted)
    job = service.get(tx, job_id)
    deed = "updated" if wanted.status is UNSET else wanted.status
    audit.record(tx, actor, f"job.{deed}", before=before, after=job, name=service.display(job))
    return job


def ask_to_stop(tx: Transaction, actor: Actor, job_id: int) -> Job:
    """The script is asked to finish early; when it does, its job ends as it says."""
    state = _state(tx, job_id)
    if state.status is not JobStatus.RUNNING:
        raise Conflict(f"Job {job_id} is {state.status}; only a running job can be asked to stop.")
    before = service.get(tx, job_id)
    tx.run(sql.ask_to_stop, id=job_id)
    job = service.get(tx, job_id)
    audit.record(
        tx, actor, "job.stop_requested", before=before, after=job, name=service.display(job)
    )
    return job


def retry(tx: Transaction, person: Person, job_id: int) -> Target:
    """A new job that runs what the old one ran: same package, script and parameters, on a robot
    with the labels that its process has now, and those that the old job had added."""
    state = _state(tx, job_id)
    if state.status not in lifecycle.FINAL:
        raise Conflict(f"Job {job_id} is {state.status}; it can be run again when it has ended.")
    pinned = tx.one(sql.pinned, _Pinned, missing=f"There is no job {job_id}.", id=job_id)
    try:
        process = processes.for_running(tx, pinned.process_id)
        packages.for_use(tx, pinned.package_id)
    except NotFound as error:
        raise Conflict(
            f"What job {job_id} ran was deleted; start another process instead."
        ) from error
    added = pinned.labels if pinned.added_labels is None else pinned.added_labels
    labels = list(dict.fromkeys([*process.labels, *added]))
    values = msgspec.structs.asdict(pinned) | {
        "labels": Json(labels),
        "added_labels": Json(added),
        "parameters": Json(pinned.parameters),
    }
    created = tx.one(
        sql.insert,
        Id,
        missing="The job was not stored.",
        **values,
        source=service.source_of(person),
        not_before=None,
        start_by=None,
        created_by=person.username,
    )
    job = service.get(tx, created.id)
    metadata = {"retry_of": job_id}
    audit.record(
        tx, person.actor, "job.created", after=job, name=service.display(job), metadata=metadata
    )
    wants = Wants.of(pinned.wanted_robot_id, pinned.wanted_machine_id, labels)
    return Target(job, wants)


def _move(tx: Transaction, state: lifecycle.State, before: Job, wanted: JobUpdate) -> None:
    if state.status is not JobStatus.PENDING:
        raise Conflict(f"Job {state.id} is {state.status}; only a waiting job can be moved.")
    if wanted.robot_id is not UNSET and wanted.robot_id is not None:
        robots.get(tx, wanted.robot_id, tx.now)
    tx.run(
        sql.move,
        id=state.id,
        wanted_robot_id=before.robot_id if wanted.robot_id is UNSET else wanted.robot_id,
        priority=before.priority if wanted.priority is UNSET else wanted.priority,
    )


def _fail(tx: Transaction, state: lifecycle.State, wanted: JobUpdate) -> None:
    if state.status is JobStatus.PENDING:
        raise Conflict(f"Job {state.id} waits; nothing of it could fail. Cancel it instead.")
    service.end(
        tx,
        state,
        JobStatus.FAILED,
        reason=Reason.OPERATOR,
        started="unknown",
        result=wanted.result,
        error_message=wanted.error_message or "An operator ended it.",
    )


def _state(tx: Transaction, job_id: int) -> lifecycle.State:
    missing = f"There is no job {job_id}."
    return tx.one(sql.lock_state, lifecycle.State, missing=missing, id=job_id)
