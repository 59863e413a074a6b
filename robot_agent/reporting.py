"""Bring a report to the server, however long it takes, also across a restart of the agent.

The next job may come with the answer. The key that it is granted to is written down with the
report, so a crash at any moment finds either of them again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from secrets import token_urlsafe
from typing import Any, NamedTuple

import msgspec

from robot_agent import job_folder
from robot_agent.journal import NO_ATTEMPT, Attempt, Entry, Unwritable
from robot_agent.secrets_read import UNKNOWN_SECRETS, SecretsRead, cover
from robot_agent.workplace import Workplace
from sdk.contract.jobs import Reason
from sdk.contract.runner import Assignment, JobReport, NextJob, ReportAnswer
from sdk.errors import Refused
from sdk.failpoints import failpoint
from sdk.robot_client import RobotClient
from sdk.running import last_words
from sdk.running.outcome import with_fit_message

# Refusals after which an attempt is no longer ours to end: somebody or something else has ended it.
DECIDED = ("stale-attempt", "job-canceled", "result-conflict", "not-claimed", "not-found")
SHORT_MESSAGE = 1000
PLAIN_MESSAGE = "The server refused the report of this attempt; the agent's own log says why."
LAST_LOG_SECONDS = 10.0  # how long a report waits for the end of the log
LATE_ARTIFACTS_SECONDS = 600.0  # what is not brought until then is given up
LATE_LOG_SECONDS = 60.0  # and the log, once the report is in and the server thus there

Shorter = Callable[[JobReport, Refused], JobReport]

log = logging.getLogger(__name__)


class Following(NamedTuple):
    """How a robot goes on: with a job that it has, or by asking with a key, if it has one.

    `ended` is the attempt that it has ended itself, whatever the server says of it."""

    key: str | None = None
    job: Assignment | None = None
    ended: Attempt = NO_ATTEMPT


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
        with_fit_message(report),
        attempt=entry.attempt,
        claim_key=entry.claim_key or None,
        next_job=question,
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
            await _note_end(place, question, entry.of)
    return Following(question.claim_key, granted, entry.of)


async def _note_end(place: Workplace, question: NextJob, ended: Attempt) -> None:
    try:
        await place.journal.claiming(place.link.name, question.claim_key or "", ended)
    except Unwritable as error:
        log.warning("%s The next start sends the report again, which changes nothing.", error)


async def _deliver(
    place: Workplace,
    job_id: int,
    whole: JobReport,
    secrets: SecretsRead,
    sending: Sequence[asyncio.Task[Any]],
) -> Assignment | None:
    """Send the report until it is answered for good: covered better, where that is asked for; and
    if the server refuses it, as a failure that says so.

    Returns the next job, if the robot is free for it and one came with the answer.
    """
    report, shorten = whole, iter((_refused, _plain))
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
            less = _less(whole, refusal, shorten)
            if less is None:
                log.info("The report of job %d is not accepted: %s", job_id, refusal)
                return None
            log.warning("The report of job %d is refused, sending less: %s", job_id, refusal)
            report = less
        else:
            log.info("Job %d is reported as %s.", job_id, report.status)
            return answer.job


def _is_free(place: Workplace, sending: Sequence[asyncio.Task[Any]]) -> bool:
    """Whether a job that comes with the answer could begin at once."""
    has_ended = all(task.done() for task in sending)
    return has_ended and not place.stopping.is_set() and place.reserve.is_in_order()


async def _report(job_id: int, report: JobReport, client: RobotClient) -> ReportAnswer:
    return await client.report(job_id, report)


def _less(whole: JobReport, refusal: Refused, shorten: Iterator[Shorter]) -> JobReport | None:
    """The next shorter report; None if the attempt is decided, or there is no shorter one."""
    if any(map(refusal.is_about, DECIDED)):
        return None
    make = next(shorten, None)
    return None if make is None else make(whole, refusal)


def _refused(whole: JobReport, refusal: Refused) -> JobReport:
    """Short, and with the server's reason beside our own. An ellipsis marks where a secret may have
    been cut."""
    said = whole.error_message or ""
    if len(said) > SHORT_MESSAGE:
        said = f"{said[:SHORT_MESSAGE]}…"
    why = f"The server refused the report of this attempt: {refusal}"[:SHORT_MESSAGE]
    return _failure(whole, f"{said} {why}".lstrip())


def _plain(whole: JobReport, _: Refused) -> JobReport:
    """Without anything that the script or the server has said."""
    return _failure(whole, PLAIN_MESSAGE)


def _failure(whole: JobReport, message: str) -> JobReport:
    return with_fit_message(
        msgspec.structs.replace(
            whole,
            status="failed",
            reason=whole.reason or Reason.SCRIPT_FAILED,
            error_message=message,
            result=None,
            logs=None,
            next_job=None,
        )
    )


async def _wait_for_log(stream: asyncio.Task[int], seconds: float) -> None:
    await _wait_for(stream, "log", seconds)


async def _wait_for(sending: asyncio.Task[Any], what: str, seconds: float) -> None:
    done, _ = await asyncio.wait({sending}, timeout=seconds)
    if not done:
        log.warning("The %s could not be sent to the end within %.0f s.", what, seconds)
    elif not sending.cancelled() and (error := sending.exception()):
        log.error("The %s could not be sent.", what, exc_info=error)
