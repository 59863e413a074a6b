"""What happened to a job, and why it is not further: reading only."""

from datetime import datetime

import msgspec

from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs import service
from orchestrator_server.jobs.service import sql
from sdk.contract.jobs import (
    JobAttempt,
    JobEvent,
    JobExplanation,
    JobStatus,
    RobotFit,
)

MAX_ROBOTS = 500
MAX_AHEAD = 10_000


class _Count(msgspec.Struct, frozen=True):
    count: int


class _Wanting(msgspec.Struct, frozen=True):
    id: int
    status: JobStatus
    wanted_robot_id: int | None
    wanted_machine_id: int | None
    labels: list[str]
    not_before: datetime | None
    priority: int
    process_name: str
    is_active: bool
    concurrency_limit: int | None
    running: int


class _Candidate(msgspec.Struct, frozen=True):
    id: int
    name: str
    machine_id: int | None
    labels: list[str]
    is_paused: bool
    is_online: bool
    busy_with: int | None


def attempts(tx: Transaction, job_id: int) -> list[JobAttempt]:
    service.get(tx, job_id)
    return tx.all(sql.attempts, JobAttempt, id=job_id)


def timeline(tx: Transaction, job_id: int) -> list[JobEvent]:
    """What the audit trail knows of a job, oldest first."""
    service.get(tx, job_id)
    return [
        JobEvent(
            at=event.timestamp,
            what=event.action.partition(".")[2],
            by=event.actor_username or event.actor_type,
            attempt=event.metadata.get("attempt"),
            details={k: v for k, v in event.metadata.items() if k != "attempt"},
        )
        for event in audit.of_entity(tx, "job", job_id)
    ]


def explain(tx: Transaction, job_id: int, online_since: datetime) -> JobExplanation:
    """Why a job is pending: one line for each limit, and one for each robot."""
    job = tx.one(sql.wanting, _Wanting, missing=f"There is no job {job_id}.", id=job_id)
    if job.status is not JobStatus.PENDING:
        return JobExplanation(
            id=job_id, status=job.status, summary=f"It is not waiting: it is {job.status}."
        )
    limits = _limits(job, tx.now)
    candidates = tx.all(sql.candidates, _Candidate, online_since=online_since, limit=MAX_ROBOTS)
    robots = [_fit(job, robot) for robot in candidates]
    [ahead] = tx.all(sql.ahead, _Count, priority=job.priority, id=job.id, limit=MAX_AHEAD)
    return JobExplanation(
        id=job_id,
        status=job.status,
        summary=_summary(limits, robots, ahead.count),
        limits=limits,
        robots=robots,
    )


def _limits(job: _Wanting, now: datetime) -> list[str]:
    limits = []
    if job.not_before is not None and job.not_before > now:
        limits.append(f"It is not to start before {job.not_before:%Y-%m-%d %H:%M:%S} UTC.")
    if not job.is_active:
        limits.append(f"Process {job.process_name} is not active.")
    if job.concurrency_limit is not None and job.running >= job.concurrency_limit:
        limits.append(
            f"{job.running} jobs of process {job.process_name} are running, "
            f"and at most {job.concurrency_limit} may."
        )
    return limits


def _fit(job: _Wanting, robot: _Candidate) -> RobotFit:
    why = _obstacle(job, robot)
    return RobotFit(
        robot_id=robot.id,
        robot_name=robot.name,
        fits=why is None,
        why=why or "It may take the job at its next request.",
    )


def _obstacle(job: _Wanting, robot: _Candidate) -> str | None:
    """What keeps this robot from taking the job; what is hardest to change comes first."""
    missing = sorted(set(job.labels) - set(robot.labels))
    obstacles = [
        (job.wanted_robot_id not in (None, robot.id), "The job is for another robot."),
        (
            job.wanted_machine_id not in (None, robot.machine_id),
            "The job is for another machine.",
        ),
        (bool(missing), f"It lacks the labels {', '.join(missing)}."),
        (robot.is_paused, "It is paused."),
        (not robot.is_online, "It is offline."),
        (robot.busy_with is not None, f"It is running job {robot.busy_with}."),
    ]
    return next((why for holds, why in obstacles if holds), None)


def _summary(limits: list[str], robots: list[RobotFit], ahead: int) -> str:
    if limits:
        return limits[0]
    if not robots:
        return "There are no robots; register one."
    fitting = sum(robot.fits for robot in robots)
    if not fitting:
        return f"None of the {len(robots)} robots can take it now; see each one."
    more = " or more" if ahead == MAX_AHEAD else ""
    return f"{fitting} of {len(robots)} robots can take it; {ahead}{more} jobs are before it."
