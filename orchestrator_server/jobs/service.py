"""The verbs of a job, for the people who ask for it. Each change leaves an audit event."""

from typing import Any

import msgspec

from orchestrator_server import names, parameters, strict_json
from orchestrator_server.access.callers import Actor, Person
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json, utc
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, Invalid, Malformed
from orchestrator_server.jobs import lifecycle
from orchestrator_server.jobs.wants import Wants
from orchestrator_server.machines import service as machines
from orchestrator_server.processes import service as processes
from orchestrator_server.queue_items import claims as queue_items
from orchestrator_server.robots import service as robots
from sdk.contract.base import Page
from sdk.contract.jobs import Job, JobCreate, JobQuery, JobStatus, Reason, Source
from sdk.contract.processes import Process
from sdk.contract.settings import JobSettings

sql = queries.load(__package__)

_SOURCES = {"session": Source.MANUAL, "api": Source.API, "sdk": Source.SDK}
_NO_OBJECT = "The text in `parameters` is not a JSON object that every reader reads the same."

MAX_PARAMETERS_BYTES = 256 * 1024


class Id(msgspec.Struct, frozen=True):
    id: int


class Target(msgspec.Struct, frozen=True):
    """A new job, and what it wants, so that the right robot is woken."""

    job: Job
    wants: Wants = Wants()


def create(tx: Transaction, person: Person, wanted: JobCreate, settings: JobSettings) -> Target:
    """Pin what will run, as it is now, and wait for a robot."""
    process = _process(tx, wanted)
    if not process.is_active:
        raise Conflict(f"Process {process.name} is not active; activate it first.")
    _check_place(tx, wanted)
    _check_times(tx, wanted)
    given = process.default_parameters | _parameters(wanted)
    if process.parameters_schema is not None:
        parameters.check(given, process.parameters_schema)
    added = [label for label in wanted.labels or [] if label not in process.labels]
    timeout_seconds = wanted.timeout_seconds or process.timeout_seconds
    created = tx.one(
        sql.insert,
        Id,
        missing="The job was not stored.",
        process_id=process.id,
        process_version=process.version,
        package_id=process.package_id,
        script_path=process.script_path,
        wanted_robot_id=wanted.robot_id,
        wanted_machine_id=wanted.machine_id,
        labels=Json([*process.labels, *added]),
        added_labels=Json(added),
        parameters=Json(given),
        source=source_of(person),
        priority=process.priority if wanted.priority is None else wanted.priority,
        max_attempts=wanted.max_attempts or process.max_attempts,
        timeout_seconds=timeout_seconds or settings.default_timeout_seconds or None,
        not_before=wanted.not_before,
        start_by=wanted.start_by,
        created_by=person.username,
    )
    job = get(tx, created.id)
    audit.record(tx, person.actor, "job.created", after=job, name=display(job))
    return Target(job, Wants.of(wanted.robot_id, wanted.machine_id, job.labels))


def source_of(person: Person) -> Source:
    return _SOURCES[person.via]


def get(tx: Transaction, job_id: int) -> Job:
    return tx.one(sql.list, Job, missing=f"There is no job {job_id}.", id=job_id, limit=1)


def list_jobs(tx: Transaction, wanted: JobQuery) -> Page[Job]:
    return tx.page(
        sql.list,
        Job,
        wanted,
        status=wanted.status,
        process_id=wanted.process_id,
        robot_id=wanted.robot_id,
        pattern=names.pattern(wanted.search),
        source=wanted.source,
        created_after=wanted.created_after,
        created_before=wanted.created_before,
    )


def cancel(tx: Transaction, actor: Actor, job_id: int) -> Job:
    """A waiting or running job is canceled for good; a finished one is answered as it is."""
    missing = f"There is no job {job_id}."
    state = tx.one(sql.lock_state, lifecycle.State, missing=missing, id=job_id)
    if state.status in lifecycle.FINAL:
        return get(tx, job_id)
    lifecycle.must_allow(state, JobStatus.CANCELED)
    before = get(tx, job_id)
    end(tx, state, JobStatus.CANCELED, reason=Reason.CANCELED_BY_USER)
    job = get(tx, job_id)
    audit.record(tx, actor, "job.canceled", before=before, after=job, name=display(job))
    return job


def end(
    tx: Transaction,
    state: lifecycle.State,
    to: JobStatus,
    *,
    attempt_status: str | None = None,
    reason: Reason | None = None,
    started: str | None = None,
    result: Any = None,
    error_message: str | None = None,
) -> None:
    """Move a job to a final state, and its current attempt with it, if nobody moved it first."""
    lifecycle.must_allow(state, to)
    recorded = {"reason": reason, "result": Json(result), "error_message": error_message}
    moved = tx.maybe(
        sql.finish,
        Id,
        id=state.id,
        attempt=state.attempt,
        status=to,
        from_status=state.status,
        **recorded,
    )
    if moved is None:
        raise Conflict(f"Job {state.id} changed while you were looking at it; look again.")
    queue_items.give_back(tx, state.id)
    tx.run(
        sql.end_attempt,
        job_id=state.id,
        attempt=state.attempt,
        status=attempt_status or to,
        started=started,
        **recorded,
    )


def _process(tx: Transaction, wanted: JobCreate) -> Process:
    if (wanted.process_id is None) == (wanted.process is None):
        raise Invalid("Give either `process_id` or `process`.", pointer="#/process_id")
    process_id = wanted.process_id or processes.id_of(tx, wanted.process or "")
    return processes.for_running(tx, process_id)


def _check_place(tx: Transaction, wanted: JobCreate) -> None:
    if wanted.machine_id is not None:
        machines.get(tx, wanted.machine_id, tx.now)
    if wanted.robot_id is None:
        return
    robot = robots.get(tx, wanted.robot_id, tx.now)
    if wanted.machine_id not in (None, robot.machine_id):
        raise Conflict(
            f"Robot {robot.name} is not on machine {wanted.machine_id}, so the job would wait for "
            "ever; name one of the two."
        )


def _check_times(tx: Transaction, wanted: JobCreate) -> None:
    if wanted.start_by is None:
        return
    start_by = utc(wanted.start_by)
    if start_by <= max(tx.now, utc(wanted.not_before) if wanted.not_before else tx.now):
        raise Invalid(
            "`start_by` is past, or not after `not_before`, so the job could never begin.",
            pointer="#/start_by",
        )


def _parameters(wanted: JobCreate) -> dict[str, Any]:
    """An object, or the text of one: the seed's first clients send text."""
    given = wanted.parameters
    if isinstance(given, str):
        given = _object_in(given)
    if len(msgspec.json.encode(given)) > MAX_PARAMETERS_BYTES:
        raise Invalid(
            f"Parameters have at most {MAX_PARAMETERS_BYTES // 1024} KiB; "
            "put more into a file or a queue.",
            pointer="#/parameters",
        )
    return given


def _object_in(text: str) -> dict[str, Any]:
    try:
        found = strict_json.read(text)
    except Malformed as error:
        raise Invalid(_NO_OBJECT, pointer="#/parameters") from error
    if not isinstance(found, dict):
        raise Invalid(_NO_OBJECT, pointer="#/parameters")
    return found


def display(job: Job) -> str:
    return f"{job.id} ({job.process_name})"
