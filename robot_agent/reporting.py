"""Bring a report to the server, however long it takes, also across a restart of the agent.

The next job may come with the answer. The key that it is granted to is written down with the
report, so a crash at any moment finds either of them again.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from secrets import token_urlsafe
from typing import Any, NamedTuple

import msgspec

from robot_agent import job_folder
from robot_agent.journal import Entry, Unwritable
from robot_agent.secrets_read import UNKNOWN_SECRETS, SecretsRead, cover
from robot_agent.workplace import Workplace
from sdk.contract.runner import Assignment, JobReport, NextJob, ReportAnswer
from sdk.errors import Refused
from sdk.failpoints import failpoint
from sdk.robot_client import RobotClient
from sdk.running import last_words

OUR_FAULT = frozenset({400, 413, 422})
SHORT_MESSAGE = 1000
LAST_LOG_SECONDS = 10.0  # how long a report waits for the end of the log
LATE_ARTIFACTS_SECONDS = 600.0  # what is not brought until then is given up
LATE_LOG_SECONDS = 60.0  # and the log, once the report is in and the server thus there

log = logging.getLogger(__name__)


class Following(NamedTuple):
    """How a robot goes on: with a job that it has, or by asking with a key, if it has one."""

    key: str | None = None
    job: Assignment | None = None


async def conclude(
    place: Workplace,
    entry: Entry,
    report: JobReport,
    stream: asyncio.Task[int],
    artifacts: asyncio.Task[None],
    secrets: SecretsRead,
) -> Following:
    """Keep the report, send it until it is answered, clear away.

    `GaveUp` when told to hurry before it is answered; the next start of the agent goes on.
    """
    question = report.next_job or place.link.question(token_urlsafe(16))
    report = msgspec.structs.replace(
        report, attempt=entry.attempt, claim_key=entry.claim_key or None, next_job=question
    )
    try:
        await place.journal.exited(entry, report)
    except Unwritable as error:  # all the more it should be sent, and for no job that nobody knows
        log.error("The report of job %d could not be kept: %s", entry.job_id, error)
        report = msgspec.structs.replace(report, next_job=None)
    failpoint("agent.after_exited")
    # The log first, because the answer to a report may be the next job; but a log that
    # cannot be sent must not hold up a result.
    await _wait_for_log(stream, LAST_LOG_SECONDS)
    granted = await _deliver(place, entry.job_id, report, secrets, [stream, artifacts])
    await _wait_for_log(stream, LATE_LOG_SECONDS)
    await _wait_for(artifacts, "artifacts", LATE_ARTIFACTS_SECONDS)
    failpoint("agent.after_report")
    if granted is None:  # else beats for that job come first
        await asyncio.to_thread(job_folder.clear_away, job_folder.left(place.own_jobs))
        if place.stopping.is_set():  # else what follows takes its row
            await _note_end(place, question)
    return Following(question.claim_key, granted)


async def _note_end(place: Workplace, question: NextJob) -> None:
    try:
        await place.journal.claiming(place.link.name, question.claim_key or "")
    except Unwritable as error:
        log.warning("%s The next start sends the report again, which changes nothing.", error)


async def _deliver(
    place: Workplace,
    job_id: int,
    whole: JobReport,
    secrets: SecretsRead,
    sending: Sequence[asyncio.Task[Any]],
) -> Assignment | None:
    """Until it is answered for good: covered better, or less of it, where that is asked for.

    Returns the next job, if the robot is free for it and one came with the answer.
    """
    report = whole
    while True:
        known = await secrets.keep_up(place.hurry)
        covered = cover(last_words.added(report, secrets.last_output, known.mask), known)
        if not _is_free(place, sending):
            covered = msgspec.structs.replace(covered, next_job=None)
        try:
            answer = await place.link.answered(partial(_report, job_id, covered), place.hurry)
        except Refused as refusal:
            is_uncovered = refusal.is_about(UNKNOWN_SECRETS)
            if is_uncovered and await secrets.is_more_than(known, place.hurry):
                continue
            if refusal.status not in OUR_FAULT:
                log.info("Job %d was decided without us: %s", job_id, refusal)
                return None
            if report is not whole:
                log.error("The report of job %d is refused for good: %s", job_id, refusal)
                return None
            log.warning("The report of job %d does not fit, sending less: %s", job_id, refusal)
            report = _less(whole)
        else:
            less = "" if report is whole else ", without its result"
            log.info("Job %d is reported as %s%s.", job_id, report.status, less)
            return answer.job


def _is_free(place: Workplace, sending: Sequence[asyncio.Task[Any]]) -> bool:
    """Whether a job that comes with the answer could begin at once."""
    has_ended = all(task.done() for task in sending)
    return has_ended and not place.stopping.is_set() and place.reserve.is_in_order()


async def _report(job_id: int, report: JobReport, client: RobotClient) -> ReportAnswer:
    return await client.report(job_id, report)


def _less(report: JobReport) -> JobReport:
    return msgspec.structs.replace(
        report,
        logs=None,
        next_job=None,
        result={"truncated": True} if report.status == "completed" else None,
        error_message=report.error_message and report.error_message[:SHORT_MESSAGE],
    )


async def _wait_for_log(stream: asyncio.Task[int], seconds: float) -> None:
    await _wait_for(stream, "log", seconds)


async def _wait_for(sending: asyncio.Task[Any], what: str, seconds: float) -> None:
    done, _ = await asyncio.wait({sending}, timeout=seconds)
    if not done:
        log.warning("The %s could not be sent to the end within %.0f s.", what, seconds)
    elif not sending.cancelled() and (error := sending.exception()):
        log.error("The %s could not be sent.", what, exc_info=error)
