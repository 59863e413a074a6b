"""Watching one job in the terminal: why it waits, what it prints, how it ended."""

import asyncio
import json
import time

from sdk.cli.terminal import Exit, Failure, LogOutput, say
from sdk.client import Client
from sdk.contract.jobs import Job, JobStatus

PATIENCE_SECONDS = 3.0  # then somebody wants to know why nothing happens
LOOK_SECONDS = 0.3


async def follow(client: Client, job_id: int, *, to_stderr: bool = False, raw: bool = False) -> Job:
    """Print what it prints, as it prints it, and return it when it has ended."""
    waiting = asyncio.create_task(_say_why_it_waits(client, job_id))
    try:
        pieces = client.follow_log(job_id, pause_seconds=LOOK_SECONDS, told_outage=_say_outage)
        with LogOutput(to_stderr=to_stderr, raw=raw) as output:
            async for piece in pieces:
                output.write(piece)
    except (asyncio.CancelledError, BrokenPipeError):
        say(
            f"You stopped watching job {job_id}, which does not end it: sdk logs {job_id} --follow "
            f"watches it again, sdk cancel {job_id} ends it."
        )
        raise
    finally:
        waiting.cancel()
    return await client.get_job(job_id)


def say_end(job: Job) -> None:
    """How it ended on stderr; a Failure with the status of a failed job if not well."""
    if job.result is not None:
        say(f"Result: {json.dumps(job.result, ensure_ascii=False)}")
    if job.status is JobStatus.COMPLETED:
        say(f"Job {job.id} completed in {duration(job)}.")
        return
    why = job.error_message or job.reason or "no reason was given"
    raise Failure(f"Job {job.id} {job.status}: {why}", Exit.JOB_FAILED)


def duration(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return "no time"
    seconds = (job.finished_at - job.started_at).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else time.strftime("%H:%M:%S", time.gmtime(seconds))


def _say_outage(error: Exception) -> None:
    say(f"{error} Waiting for it; the job does not.")


async def _say_why_it_waits(client: Client, job_id: int) -> None:
    await asyncio.sleep(PATIENCE_SECONDS)
    explained = await client.explain_job(job_id)
    if explained.status is JobStatus.PENDING:
        say(explained.summary)
        for limit in explained.limits:
            if limit != explained.summary:
                say(f"  {limit}")
