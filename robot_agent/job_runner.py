"""One job, from assignment to report, in the order it happens."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from robot_agent import artifacts, job_folder, limits, log_stream, orders, reporting
from robot_agent.environments.shelf import Environment
from robot_agent.exits import JobFailed
from robot_agent.journal import Entry, Unwritable
from robot_agent.reporting import Following
from robot_agent.running import RunningJob
from robot_agent.secrets_read import SecretsRead
from robot_agent.warm.here import MayHaveStarted
from robot_agent.workplace import Workplace
from sdk.contract.jobs import Reason
from sdk.contract.runner import AssignedProcess, JobReport
from sdk.errors import Refused
from sdk.failpoints import failpoint
from sdk.retry import until_answered
from sdk.running import family, last_words, process
from sdk.running.command import command
from sdk.running.environment import child_environment, mark_of, secrets_file
from sdk.running.family import Family
from sdk.running.outcome import as_told, report_for, stopped_before_start
from sdk.running.process import StopOrder

T = TypeVar("T")

log = logging.getLogger(__name__)


class Start(NamedTuple):
    script: Path
    environment: Environment


class _Stopped(Exception):
    """The job is to stop before its script has started."""


async def run(place: Workplace, job: RunningJob) -> Following:
    """`GaveUp` if the report could not be delivered before the agent had to end."""
    link = place.link
    entry = job.entry(link.name, link.robot_id)
    ended = asyncio.Event()
    token = job.assignment.job_token  # who reads it in the log could read the job's assets
    notes = secrets_file(job.folder)
    secrets = SecretsRead(link, entry.job_id, entry.attempt, notes, own=(token,))
    job.secrets = secrets
    send = log_stream.sender(link, entry.job_id, entry.attempt)
    following = log_stream.follow(job.spool, ended=ended, send=send, secrets=secrets)
    stream = asyncio.create_task(following)
    bring = artifacts.Bringer(link, entry.job_id, entry.attempt, secrets)
    bringing = asyncio.create_task(
        artifacts.follow_and_tell(
            job.folder / "work",
            ended=ended,
            bring=bring,
            spool=job.spool,
            stream=stream,
            send=send,
        )
    )
    listening = asyncio.create_task(orders.listen(link, job))
    try:
        report = await _outcome(place, job, entry)
        job.phase = "reporting"
        report = await asyncio.to_thread(_with_what_it_left, report, job)
        ended.set()
        return await reporting.conclude(place, entry, report, stream, bringing, secrets)
    finally:
        listening.cancel()
        bringing.cancel()
        stream.cancel()


async def _outcome(place: Workplace, job: RunningJob, entry: Entry) -> JobReport:
    try:
        async with AsyncExitStack() as lent:
            start = await _unless_stopped(job.order, _prepare(place, job, entry, lent))
            return await _run_script(place, job, entry, start)
    except JobFailed as failure:
        return JobReport(
            status="failed", reason=failure.reason, error_message=str(failure), started="no"
        )
    except MayHaveStarted as error:
        await asyncio.to_thread(family.sweep, mark_of(job.folder))
        message = f"Whether the script started is not known. {error}"
        return JobReport(
            status="failed", reason=Reason.START_FAILED, error_message=message, started="unknown"
        )
    except _Stopped:
        return stopped_before_start(job.order.reason)


async def _prepare(place: Workplace, job: RunningJob, entry: Entry, lent: AsyncExitStack) -> Start:
    """What is to be started; its environment is ours until `lent` is closed."""
    script = await job_folder.prepare(job.folder, place.packages, job.assignment, place.link)
    package, work = job.assignment.package, job.folder / "work"
    lending = place.shelf.lend(package.sha256, work, script)
    environment = await lent.enter_async_context(lending)
    # Written down before the server hears it: once this life is the one that starts it, no later
    # one may, and a later one must be able to say so.
    await _note_starting(place, entry)
    job.phase = "starting"
    try:
        # Last thing before the start: a cancel in the meantime is heard here, and whether a copy
        # of this agent has started it already.
        await until_answered(place.heart.beat)
    except Refused as refusal:
        message = f"The server refused the beat before the start: {refusal}"
        raise JobFailed(Reason.ROBOT_LOST, message) from refusal
    failpoint("agent.after_life")
    job.spool.keep_at_most(place.heart.settings.log_limit_bytes)
    return Start(script, environment)


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


async def _run_script(place: Workplace, job: RunningJob, entry: Entry, start: Start) -> JobReport:
    assignment, python = job.assignment, start.environment.python
    argv = command(start.script, assignment.process.script_path, python, place.shelf.launcher)
    job.phase = "running"
    watchers: list[asyncio.Task[None]] = []

    async def begun(script: Family) -> None:
        watchers.append(asyncio.create_task(job.spool.keep_small()))
        watch = limits.watch(script, job.spool, place.limits, job.order)
        watchers.append(asyncio.create_task(watch))
        watchers.append(asyncio.create_task(_note_started(place, entry)))

    log.info("Starting %s of %s.", job, assignment.process.name)
    try:
        exit = await process.run(
            argv,
            cwd=job.folder / "work",
            env=child_environment(os.environ, assignment, job.folder, place.url)
            | start.environment.variables(os.environ.get("PATH", "")),
            output=job.folder / "output.log",
            order=job.order,
            time_limit=assignment.timeout_seconds,
            grace=place.heart.settings.cancel_grace_seconds,
            mark=mark_of(job.folder),
            begun=begun,
            start=_start(place, start.environment, assignment.process),
        )
    except OSError as error:
        message = f"The script cannot be started: {error}."
        raise JobFailed(Reason.START_FAILED, message) from error
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
    log.info(
        "The script of %s has ended with status %d (%s); %d processes were killed, %d left.",
        job, exit.code, exit.ended, *exit.swept,
    )  # fmt: skip
    return report_for(exit, job.order, assignment.timeout_seconds)


def _with_what_it_left(report: JobReport, job: RunningJob) -> JobReport:
    job.spool.close()
    if job.secrets is not None:
        job.secrets.last_output = job.spool.tail(last_words.TAIL_BYTES)
    return msgspec.structs.replace(as_told(report, job.folder), life=job.life)


def _start(place: Workplace, environment: Environment, wanted: AssignedProcess) -> process.Start:
    if wanted.start == "warm":
        return place.parents.start_of(environment, wanted.preload)
    return Family.start


async def _note_starting(place: Workplace, entry: Entry) -> None:
    """What the journal does not know of is not started."""
    try:
        await place.journal.starting(entry)
    except Unwritable as error:
        raise JobFailed(Reason.START_FAILED, str(error)) from error
    failpoint("agent.after_starting")


async def _note_started(place: Workplace, entry: Entry) -> None:
    try:
        await place.journal.started(entry)
    except Unwritable as error:
        log.warning("%s", error)  # it is known as starting, which is enough
    failpoint("agent.after_started")
