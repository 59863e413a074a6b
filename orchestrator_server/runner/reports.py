"""What a report does, in one unit: the attempt ends, and the next job may come with the answer."""

import msgspec

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.assets import reads
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.jobs import attempts, claiming
from orchestrator_server.jobs.assignments import JobToken
from orchestrator_server.robots import service as robots
from sdk.contract.runner import JobReport, LogChunk, ReportAnswer
from sdk.contract.settings import JobSettings


def take(
    tx: Transaction,
    robot: RobotCaller,
    job_id: int,
    report: JobReport,
    settings: JobSettings,
    tokens: JobToken,
) -> ReportAnswer:
    if report.next_job is None:
        return _end(tx, robot, job_id, report, settings)
    held = robots.hold_caller(tx, robot)  # before the job, as beats and claims do
    answer = _end(tx, robot, job_id, report, settings)
    try:
        next_job = claiming.claim(tx, robot, held, report.next_job, settings, tokens)
    except Conflict:  # it hears that when it asks for nothing else; a report is no worse for it
        return answer
    return msgspec.structs.replace(answer, job=next_job.job)


def _end(
    tx: Transaction, robot: RobotCaller, job_id: int, report: JobReport, settings: JobSettings
) -> ReportAnswer:
    answer = attempts.report(tx, robot, job_id, report, settings)
    _must_show_nothing(tx, job_id, report)  # after what else may be wrong: it undoes the unit
    return answer


def keep_late(tx: Transaction, robot: RobotCaller, job_id: int, report: JobReport) -> None:
    attempts.keep_late(tx, robot, job_id, report)
    _must_show_nothing(tx, job_id, report)


def check_chunk(tx: Transaction, robot: RobotCaller, job_id: int, wanted: LogChunk) -> bool:
    """Check that a piece of a log may be stored; return whether its attempt has ended."""
    of = attempts.late_writer_of(tx, robot, job_id, wanted.attempt)
    reads.must_be_known(tx, job_id, wanted.attempt, wanted.secrets_known)
    return of.finished_at is not None


def _must_show_nothing(tx: Transaction, job_id: int, report: JobReport) -> None:
    attempt = report.attempt or 1  # a report without a number is accepted of the only one
    reads.must_be_known(tx, job_id, attempt, report.secrets_known)
