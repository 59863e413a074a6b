"""The verbs of an attempt: one grant of a job to one robot. Plain units of work.

`(job, attempt)` is the fencing token: whatever an older attempt says never changes the job.
"""

from typing import Any

import msgspec

from orchestrator_server.access.callers import SYSTEM, JobCaller, RobotCaller
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
)
from orchestrator_server.jobs import assignments, lifecycle
from orchestrator_server.jobs.assignments import JobToken
from orchestrator_server.jobs.service import Id, end, sql
from orchestrator_server.robots import service as robots
from sdk.contract.jobs import JobStatus, Reason
from sdk.contract.runner import (
    JobAction,
    JobBeat,
    JobReport,
    NextJob,
    NextJobAnswer,
    ReportAnswer,
    RunningJob,
)
from sdk.contract.settings import JobSettings


class _Current(msgspec.Struct, frozen=True):
    id: int
    attempt: int
    claim_key: str | None
    agent_instance: str | None


class _Claimed(msgspec.Struct, frozen=True):
    id: int
    attempt: int


class _Key(msgspec.Struct, frozen=True):
    job_id: int


class _Count(msgspec.Struct, frozen=True):
    count: int


def claim(
    tx: Transaction, robot: RobotCaller, wanted: NextJob, settings: JobSettings, token: JobToken
) -> NextJobAnswer:
    """The robot's current attempt again, else the next job, else nothing.

    A robot has one attempt at a time, and a claim key is granted one attempt ever: so a
    request that is repeated, late or doubled takes nothing twice.
    """
    held = robots.hold(tx, robot.id)
    current = tx.maybe(sql.current_of_robot, _Current, robot_id=robot.id)
    if current is not None:
        _must_be_the_same_agent(robot, current, wanted)
        return NextJobAnswer(
            job=assignments.make(tx, current.id, settings, token, redelivered=True)
        )
    key = wanted.claim_key
    if key is not None and tx.all(sql.key_used, _Key, robot_id=robot.id, claim_key=key):
        return NextJobAnswer(job=None, key_used=True)
    if held.is_paused:
        return NextJobAnswer(job=None)
    claimed = tx.maybe(
        sql.claim_next,
        _Claimed,
        robot_id=robot.id,
        machine_id=robot.machine_id,
        lease_until=lifecycle.lease_end(tx.now, settings.lease_seconds),
    )
    if claimed is None:
        return NextJobAnswer(job=None)
    tx.run(
        sql.insert_attempt,
        job_id=claimed.id,
        attempt=claimed.attempt,
        robot_id=robot.id,
        claim_key=key,
        agent_instance=wanted.agent_instance,
    )
    assignment = assignments.make(tx, claimed.id, settings, token, redelivered=False)
    _record(tx, robot, "job.claimed", claimed.id, claimed.attempt)
    return NextJobAnswer(job=assignment)


def report(tx: Transaction, robot: RobotCaller, job_id: int, wanted: JobReport) -> ReportAnswer:
    """Record the result of an attempt, once. A report that comes too late is for `keep_late`."""
    missing = f"There is no job {job_id}."
    job = tx.one(sql.lock_state, lifecycle.State, missing=missing, id=job_id)
    recorded = _recorded(tx, robot, job, wanted.attempt)
    if lifecycle.judge(job, recorded, wanted).already:
        return ReportAnswer(status="ok", already=True)
    reason = lifecycle.reason_of(wanted)
    end(
        tx,
        job,
        JobStatus(wanted.status),
        reason=reason,
        started=wanted.started,
        result=wanted.result,
        error_message=wanted.error_message,
    )
    metadata: dict[str, Any] = {"reason": reason, "error_message": wanted.error_message}
    _record(tx, robot, f"job.{wanted.status}", job.id, recorded.attempt, metadata)
    return ReportAnswer(status="ok")


def keep_late(tx: Transaction, robot: RobotCaller, job_id: int, wanted: JobReport) -> None:
    """Keep a refused report with its attempt: somebody may want to know how it ended."""
    missing = f"There is no job {job_id}."
    job = tx.one(sql.lock_state, lifecycle.State, missing=missing, id=job_id)
    recorded = _recorded(tx, robot, job, wanted.attempt)
    late = msgspec.structs.replace(wanted, logs=None)
    tx.run(sql.keep_late_report, job_id=job.id, attempt=recorded.attempt, late_report=Json(late))


def beat(
    tx: Transaction, robot: RobotCaller, jobs: list[JobBeat] | None, settings: JobSettings
) -> list[JobAction]:
    """Renew the leases of the attempts a robot names; say what to do with each."""
    lease_until = lifecycle.lease_end(tx.now, settings.lease_seconds)
    if jobs is None:
        tx.run(sql.renew_all_of_robot, robot_id=robot.id, lease_until=lease_until)
        return []
    actions = []
    for named in jobs:
        whose = {"id": named.id, "attempt": named.attempt, "robot_id": robot.id}
        tx.run(sql.renew, **whose, lease_until=lease_until)
        if named.progress is not None:
            tx.run(sql.save_progress, **whose, progress=Json(named.progress))
        job = tx.maybe(sql.lock_state, lifecycle.State, id=named.id)
        action = lifecycle.action_for(job, named.attempt, robot.id)
        actions.append(JobAction(id=named.id, attempt=named.attempt, action=action))
    return actions


def lose(tx: Transaction, limit: int) -> list[int]:
    """End every attempt whose lease is over; return the jobs that were touched."""
    lost = tx.all(sql.lease_ended, lifecycle.State, limit=limit)
    for job in lost:
        sentence = (
            f"Nothing was heard of the robot until its lease ended at {job.lease_until:%H:%M:%S} "
            "UTC; whether the script finished is unknown."
        )
        ending: dict[str, Any] = {
            "reason": Reason.ROBOT_LOST,
            "started": "unknown",
            "error_message": sentence,
        }
        if lifecycle.after_loss(job) is JobStatus.FAILED:
            end(tx, job, JobStatus.FAILED, attempt_status="lost", **ending)
            _record(tx, None, "job.failed", job.id, job.attempt, ending)
        elif tx.maybe(sql.requeue, Id, id=job.id, attempt=job.attempt):
            key = {"job_id": job.id, "attempt": job.attempt}
            tx.run(sql.end_attempt, **key, **ending, status="lost", result=Json(None))
            _record(tx, None, "job.requeued", job.id, job.attempt, ending)
    return [job.id for job in lost]


def renew_all(tx: Transaction, settings: JobSettings) -> None:
    """A whole new lease for everybody: after we were away, silence is no sign of loss."""
    tx.run(sql.renew_all, lease_until=lifecycle.lease_end(tx.now, settings.lease_seconds))


def waiting(tx: Transaction, limit: int) -> int:
    """How many jobs could be claimed at this moment, counted up to `limit`."""
    [found] = tx.all(sql.waiting, _Count, limit=limit)
    return found.count


def writer_of(tx: Transaction, robot: RobotCaller, job_id: int, attempt: int | None) -> int:
    """The attempt, granted to this robot, whose log may grow; the latest, if none is named."""
    recorded = tx.maybe(sql.recorded, lifecycle.Recorded, job_id=job_id, attempt=attempt)
    if recorded is None:
        raise NotFound(f"There is no attempt {attempt or 1} of job {job_id}.")
    _must_be_its_robot(robot, job_id, recorded)
    return recorded.attempt


def running(tx: Transaction, caller: JobCaller) -> RunningJob:
    found = tx.maybe(sql.running_job, RunningJob, id=caller.id, attempt=caller.attempt)
    if found is None:
        raise Unauthenticated("This job has ended, and its token with it.")
    return found


def _must_be_the_same_agent(robot: RobotCaller, current: _Current, wanted: NextJob) -> None:
    theirs, ours = current.agent_instance, wanted.agent_instance
    if theirs is not None and ours is not None and theirs != ours:
        raise Conflict(
            f"Another agent is running job {current.id} as robot {robot.name}; "
            "give this one a name of its own, or end that job first.",
            kind="robot-in-use",
        )


def _recorded(
    tx: Transaction, robot: RobotCaller, job: lifecycle.State, attempt: int | None
) -> lifecycle.Recorded:
    """The attempt a robot speaks of: the named one, or the only one there is."""
    if job.attempt == 0:
        raise Conflict(f"Job {job.id} was never claimed; claim it first.", kind="not-claimed")
    if attempt is None and job.attempt > 1:
        raise Invalid(
            f"Job {job.id} has had {job.attempt} attempts; say which one.", pointer="#/attempt"
        )
    key = {"job_id": job.id, "attempt": attempt or job.attempt}
    recorded = tx.maybe(sql.recorded, lifecycle.Recorded, **key)
    if recorded is None:
        raise Conflict(f"Job {job.id} has had no attempt {attempt} yet.", kind="not-claimed")
    _must_be_its_robot(robot, job.id, recorded)
    return recorded


def _must_be_its_robot(robot: RobotCaller, job_id: int, recorded: lifecycle.Recorded) -> None:
    if recorded.robot_id != robot.id:
        raise Forbidden(f"Attempt {recorded.attempt} of job {job_id} is another robot's.")


def _record(
    tx: Transaction,
    robot: RobotCaller | None,
    action: str,
    job_id: int,
    attempt: int,
    metadata: dict[str, Any] | None = None,
) -> None:
    actor = robot.actor if robot else SYSTEM
    details = {"attempt": attempt} | (metadata or {})
    audit.record(tx, actor, action, entity_id=job_id, name=str(job_id), metadata=details)
