"""What may happen to a job. Pure: no clock, no database, no HTTP.

pending ──► running ──► completed | failed | canceled
   │  ▲        │
   │  └────────┘  lost or failed, attempts left
   └──► canceled, or failed: nobody began it in time
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from orchestrator_server.errors import Conflict
from sdk.contract.jobs import JobStatus, Reason
from sdk.contract.jobs import JobStatus as S
from sdk.contract.runner import Action, JobReport

# What may go otherwise the next time, on this robot or another.
TRIED_AGAIN = frozenset(
    {
        *(Reason.SCRIPT_FAILED, Reason.SCRIPT_TIMEOUT, Reason.OUT_OF_MEMORY),
        *(Reason.START_FAILED, Reason.ENVIRONMENT_FAILED, Reason.PACKAGE_CORRUPT),
        *(Reason.ROBOT_LOST, Reason.AGENT_RESTARTED),
    }
)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10, 600
LOG_STAYS_OPEN = timedelta(hours=24)  # after the end of an attempt: what is late is still taken

FINAL = frozenset({S.COMPLETED, S.FAILED, S.CANCELED})

ALLOWED: dict[JobStatus, frozenset[JobStatus]] = {
    S.PENDING: frozenset({S.RUNNING, S.FAILED, S.CANCELED}),
    S.RUNNING: frozenset({S.PENDING, S.COMPLETED, S.FAILED, S.CANCELED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELED: frozenset(),
}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What decides what may happen to a job."""

    id: int
    status: JobStatus
    attempt: int
    max_attempts: int
    robot_id: int | None = None
    lease_until: datetime | None = None
    start_by: datetime | None = None
    stop_requested_at: datetime | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt as it stands: what was reported of it, if anything was."""

    attempt: int
    robot_id: int
    status: str
    reason: Reason | None = None
    result: Any = None
    error_message: str | None = None
    claim_key: str | None = None
    finished_at: datetime | None = None
    life: str | None = None
    secrets_sent_at: datetime | None = None  # to its robot, for the first time


class Verdict(NamedTuple):
    """What to do with a report: record it, or answer as if it had just been (`already`)."""

    already: bool


def judge(job: State, recorded: Recorded, report: JobReport) -> Verdict:
    """Whether a report of the attempt `recorded` may end its job.

    Raises Conflict with the kind that says why not (semantics: the table of
    `POST /api/runner/jobs/{id}/update`).
    """
    if report.claim_key not in (None, recorded.claim_key):
        raise Conflict(
            f"Attempt {recorded.attempt} of job {job.id} was granted anew: the database of the "
            "server is older than the attempt that is reported.",
            kind="stale-attempt",
        )
    if report.life and recorded.life and report.life != recorded.life:
        raise Conflict(
            f"Attempt {recorded.attempt} of job {job.id} was started by another agent of the same "
            "identity, a copy perhaps; its report counts.",
            kind="stale-attempt",
        )
    if recorded.status in ("completed", "failed"):
        if _same(recorded, report):
            return Verdict(already=True)
        raise Conflict(
            f"Attempt {recorded.attempt} of job {job.id} was recorded as {recorded.status} "
            "with other content; the first report counts.",
            kind="result-conflict",
        )
    if job.status is S.CANCELED:
        raise Conflict(f"Job {job.id} was canceled; stop the script.", kind="job-canceled")
    if recorded.attempt != job.attempt or recorded.status != "running":
        raise Conflict(
            f"Attempt {recorded.attempt} of job {job.id} is no longer current; "
            "its report is kept with the attempt.",
            kind="stale-attempt",
        )
    return Verdict(already=False)


def action_for(job: State | None, attempt: int, robot_id: int) -> Action:
    """What a robot that believes to be running `attempt` of `job` should do."""
    if job is None or job.robot_id != robot_id or job.attempt != attempt:
        return "forget"
    if job.status is S.RUNNING:
        return "continue"
    return "stop" if job.status is S.CANCELED else "forget"


def must_allow(job: State, to: JobStatus) -> None:
    if to not in ALLOWED[job.status]:
        raise Conflict(f"Job {job.id} is {job.status}; it cannot become {to}.")


def after_failure(job: State, reason: Reason, error_type: str | None = None) -> JobStatus:
    """Whether a job whose attempt failed waits for the next one: by cause, and if it may start
    once more. What a person asked to finish early is not begun again."""
    may_help = reason in TRIED_AGAIN and error_type != "business"
    may_start = job.attempt < job.max_attempts and job.stop_requested_at is None
    return S.PENDING if may_help and may_start else S.FAILED


def next_start(job: State, reason: Reason, now: datetime) -> datetime | None:
    """The earliest start of the attempt after this one; None: at once, on another robot."""
    if reason in (Reason.ROBOT_LOST, Reason.AGENT_RESTARTED):
        return None
    seconds = FIRST_PAUSE_SECONDS * 2 ** min(job.attempt - 1, 10)
    return now + timedelta(seconds=min(seconds, LONGEST_PAUSE_SECONDS))


def lease_end(now: datetime, lease_seconds: int) -> datetime:
    return now + timedelta(seconds=lease_seconds)


def _same(recorded: Recorded, report: JobReport) -> bool:
    return (recorded.status, recorded.result, recorded.error_message, recorded.reason) == (
        report.status,
        report.result,
        report.error_message,
        reason_of(report),
    )


def reason_of(report: JobReport) -> Reason | None:
    if report.status == "completed":
        return None
    return report.reason or Reason.SCRIPT_FAILED
