"""One job, from assignment to report, in the order it happens."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from robot_agent import job_folder, log_stream, reporting
from robot_agent.exits import JobFailed
from robot_agent.heartbeat import Heart
from robot_agent.link import Link
from robot_agent.running import RunningJob
from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport, LogAnswer
from sdk.errors import Refused
from sdk.retry import until_answered
from sdk.running import process
from sdk.running.command import command
from sdk.running.environment import child_environment, mark_of
from sdk.running.outcome import as_told, report_for, stopped_before_start
from sdk.running.process import StopOrder

T = TypeVar("T")

LAST_LOG_SECONDS = 10.0  # how long a report waits for the end of the log
LATE_LOG_SECONDS = 60.0  # and the log, once the report is in and the server thus there

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workplace:
    """What the jobs of one robot have in common."""

    link: Link
    heart: Heart
    url: str
    jobs: Path  # of this robot alone
    packages: Path  # shared by all robots of the agent
    hurry: asyncio.Event  # set when the agent must end soon


class _Stopped(Exception):
    """The job is to stop before its script has started."""


async def run(place: Workplace, job: RunningJob) -> None:
    """`GaveUp` if the report could not be delivered before the agent had to end."""
    ended = asyncio.Event()
    stream = asyncio.create_task(
        log_stream.follow(job.folder / "output.log", ended=ended, send=_log_sender(place, job))
    )
    try:
        report = await _outcome(place, job)
        job.phase = "reporting"
        ended.set()
        report = msgspec.structs.replace(report, attempt=job.assignment.attempt)
        await asyncio.to_thread(reporting.keep, job.folder, job.assignment.id, report)
        # The log first, because the answer to a report may be the next job; but a log that
        # cannot be sent must not hold up a result.
        await _wait_for_log(stream, LAST_LOG_SECONDS)
        await reporting.deliver(place.link, job.assignment.id, report, place.hurry)
        await _wait_for_log(stream, LATE_LOG_SECONDS)
        await asyncio.to_thread(reporting.remove, job.folder)
    finally:
        stream.cancel()


async def _outcome(place: Workplace, job: RunningJob) -> JobReport:
    try:
        script = await _unless_stopped(job.order, _prepare(place, job))
        return await _run_script(place, job, script)
    except JobFailed as failure:
        return JobReport(
            status="failed", reason=failure.reason, error_message=str(failure), started="no"
        )
    except _Stopped:
        return stopped_before_start(job.order.reason)


async def _prepare(place: Workplace, job: RunningJob) -> Path:
    script = await job_folder.prepare(job.folder, place.packages, job.assignment, place.link)
    try:
        # Last thing before the start: a cancel in the meantime is heard here.
        await until_answered(place.heart.beat)
    except Refused as refusal:
        message = f"The server refused the beat before the start: {refusal}"
        raise JobFailed(Reason.ROBOT_LOST, message) from refusal
    return script


async def _unless_stopped(order: StopOrder, work: Coroutine[None, None, T]) -> T:
    task = asyncio.create_task(work)
    stop = asyncio.create_task(order.given.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        if order.given.is_set():
            raise _Stopped
        return await task
    finally:
        task.cancel()
        stop.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)


async def _run_script(place: Workplace, job: RunningJob, script: Path) -> JobReport:
    assignment = job.assignment
    job.phase = "running"
    log.info("Starting %s of %s.", job, assignment.process.name)
    try:
        exit = await process.run(
            command(script, assignment.process.script_path),
            cwd=job.folder / "work",
            env=child_environment(os.environ, assignment, job.folder, place.url),
            output=job.folder / "output.log",
            order=job.order,
            time_limit=assignment.timeout_seconds,
            grace=place.heart.settings.cancel_grace_seconds,
            mark=mark_of(job.folder),
        )
    except OSError as error:
        message = f"The script cannot be started: {error}."
        raise JobFailed(Reason.START_FAILED, message) from error
    log.info(
        "The script of %s has ended with status %d (%s); %d processes were killed, %d left.",
        job, exit.code, exit.ended, *exit.swept,
    )  # fmt: skip
    report = report_for(exit, job.order.reason, assignment.timeout_seconds)
    return await asyncio.to_thread(as_told, report, job.folder)


def _log_sender(place: Workplace, job: RunningJob) -> log_stream.Send:
    assignment = job.assignment

    async def send(offset: int, chunk: bytes) -> LogAnswer:
        return await place.link.answered(
            lambda client: client.append_log(assignment.id, assignment.attempt, offset, chunk)
        )

    return send


async def _wait_for_log(stream: asyncio.Task[int], seconds: float) -> None:
    done, _ = await asyncio.wait({stream}, timeout=seconds)
    if not done:
        log.warning("The log could not be sent to its end within %.0f s.", seconds)
    elif not stream.cancelled() and (error := stream.exception()):
        log.error("The log could not be sent.", exc_info=error)
