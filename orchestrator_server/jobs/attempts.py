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
    TooLarge,
    Unauthenticated,
)
from orchestrator_server.jobs import lifecycle
from orchestrator_server.jobs.service import Id, end, sql
from orchestrator_server.jobs.wants import Wants
from orchestrator_server.queue_items import claims as queue_items
from sdk.contract.jobs import JobStatus, Reason
from sdk.contract.runner import (
    JobReport,
    ReportAnswer,
    RunningJob,
)
from sdk.contract.settings import JobSettings
from sdk.failpoints import failpoint


class _Wanted(msgspec.Struct, frozen=True):
    robot_id: int | None
    machine_id: int | None
    labels: list[str]
    jobs: int


def report(
    tx: Transaction, robot: RobotCaller, job_id: int, wanted: JobReport, settings: JobSettings
) -> ReportAnswer:
    """Record the result of an attempt, once. A report that comes too late is for `keep_late`."""
    missing = f"There is no job {job_id}."
    job = tx.one(sql.lock_state, lifecycle.State, missing=missing, id=job_id)
    recorded = _recorded(tx, robot, job, wanted.attempt)
    if lifecycle.judge(job, recorded, wanted).already:
        return ReportAnswer(status="ok", already=True)
    _must_be_small(wanted, settings)
    reason = lifecycle.reason_of(wanted)
    ending: dict[str, Any] = {"reason": reason, "error_message": wanted.error_message}
    left = {**ending, "started": wanted.started, "result": wanted.result}
    if reason and lifecycle.after_failure(job, reason, wanted.error_type) is JobStatus.PENDING:
        _begin_again(tx, robot, job, "failed", left)
    else:
        end(tx, job, JobStatus(wanted.status), **left)
        record(tx, robot, f"job.{wanted.status}", job.id, recorded.attempt, ending)
    failpoint("result.before_commit")
    return ReportAnswer(status="ok")


def keep_late(tx: Transaction, robot: RobotCaller, job_id: int, wanted: JobReport) -> None:
    """Keep a refused report with its attempt: somebody may want to know how it ended."""
    missing = f"There is no job {job_id}."
    job = tx.one(sql.lock_state, lifecycle.State, missing=missing, id=job_id)
    recorded = _recorded(tx, robot, job, wanted.attempt)
    late = msgspec.structs.replace(wanted, logs=None, next_job=None)
    tx.run(sql.keep_late_report, job_id=job.id, attempt=recorded.attempt, late_report=Json(late))


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
        if lifecycle.after_failure(job, Reason.ROBOT_LOST) is JobStatus.FAILED:
            end(tx, job, JobStatus.FAILED, attempt_status="lost", **ending)
            record(tx, None, "job.failed", job.id, job.attempt, ending)
        else:
            _begin_again(tx, None, job, "lost", {**ending, "result": None})
    return [job.id for job in lost]


def expire(tx: Transaction, limit: int) -> list[int]:
    """Fail every waiting job whose start-by time has passed; return them."""
    late = tx.all(sql.not_started, lifecycle.State, limit=limit)
    for job in late:
        sentence = (
            f"It was to begin before {job.start_by:%Y-%m-%d %H:%M:%S} UTC, and no robot took it in "
            "time; `explain` says of a waiting job why."
        )
        ending: dict[str, Any] = {"reason": Reason.EXPIRED, "error_message": sentence}
        end(tx, job, JobStatus.FAILED, **ending)
        record(tx, None, "job.failed", job.id, job.attempt, ending)
    return [job.id for job in late]


def renew_all(tx: Transaction, settings: JobSettings) -> None:
    tx.run(sql.renew_all, lease_until=lifecycle.lease_end(tx.now, settings.lease_seconds))


def waiting(tx: Transaction, limit: int) -> list[tuple[Wants, int]]:
    """What the jobs want that could be claimed at this moment, and how many want it; looks at
    the first `limit`."""
    return [
        (Wants.of(found.robot_id, found.machine_id, found.labels), found.jobs)
        for found in tx.all(sql.waiting, _Wanted, limit=limit)
    ]


def writer_of(
    tx: Transaction, robot: RobotCaller, job_id: int, attempt: int | None
) -> lifecycle.Recorded:
    """The attempt, granted to this robot, whose log may grow; the latest, if none is named."""
    recorded = tx.maybe(sql.recorded, lifecycle.Recorded, job_id=job_id, attempt=attempt)
    if recorded is None:
        raise NotFound(f"There is no attempt {attempt or 1} of job {job_id}.")
    _must_be_its_robot(robot, job_id, recorded)
    return recorded


def late_writer_of(
    tx: Transaction, robot: RobotCaller, job_id: int, attempt: int
) -> lifecycle.Recorded:
    """The same, and Conflict once an attempt ended so long ago that its log is closed."""
    recorded = writer_of(tx, robot, job_id, attempt)
    if recorded.finished_at and tx.now - recorded.finished_at > lifecycle.LOG_STAYS_OPEN:
        raise Conflict(
            f"Attempt {attempt} of job {job_id} ended more than 24 hours ago; its log is closed.",
            kind="log-closed",
        )
    return recorded


def note_secrets_sent(tx: Transaction, job_id: int, attempt: int) -> bool:
    """Whether this is the first time that secrets of the attempt are sent to its robot."""
    return tx.maybe(sql.note_secrets_sent, Id, job_id=job_id, attempt=attempt) is not None


def running(tx: Transaction, caller: JobCaller) -> RunningJob:
    found = tx.maybe(sql.running_job, RunningJob, id=caller.id, attempt=caller.attempt)
    if found is None:
        raise Unauthenticated("This job has ended, and its token with it.")
    return found


def _begin_again(
    tx: Transaction,
    robot: RobotCaller | None,
    job: lifecycle.State,
    attempt_status: str,
    left: dict[str, Any],
) -> None:
    """The attempt is over with what it left, and the job waits for the next one."""
    not_before = lifecycle.next_start(job, left["reason"], tx.now)
    again = {"id": job.id, "attempt": job.attempt, "not_before": not_before}
    if tx.maybe(sql.requeue, Id, **again) is None:
        raise Conflict(f"Job {job.id} changed while its attempt ended; look again.")
    queue_items.give_back(tx, job.id)
    ended = {**left, "status": attempt_status, "result": Json(left["result"])}
    tx.run(sql.end_attempt, job_id=job.id, attempt=job.attempt, **ended)
    told = {name: left[name] for name in ("reason", "error_message")}
    record(tx, robot, "job.requeued", job.id, job.attempt, {**told, "not_before": not_before})


def _must_be_small(wanted: JobReport, settings: JobSettings) -> None:
    size_bytes = len(msgspec.json.encode(wanted.result))
    if size_bytes > settings.result_limit_bytes:
        raise TooLarge(
            f"The result has {size_bytes:,} bytes, and {settings.result_limit_bytes:,} are "
            "allowed here; put it into a file or a queue, and say where it is."
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


def record(
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
