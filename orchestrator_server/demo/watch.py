"""Follows one job in the terminal: status, progress, output as it comes, result."""

import asyncio
import json

from orchestrator_server.demo import screen
from sdk.client import Client
from sdk.contract.jobs import Job, JobStatus

LOOK_SECONDS = 0.3
_FINAL = {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED}


async def follow(client: Client, job: Job) -> Job:
    """Return the job when it has ended and all its output is shown."""
    offset, rest, seen = 0, b"", job
    screen.event(job, "waits for a robot")
    while True:
        now = await client.get_job(job.id)
        if now.status != seen.status and now.status is JobStatus.RUNNING:
            screen.event(now, f"runs on {now.robot_name}")
        chunk = await client.read_log(job.id, offset)
        offset += len(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            screen.output(now, line)
        if now.progress != seen.progress:
            screen.progress(now)
        if now.status in _FINAL:
            _tell_end(now, rest)
            return now
        seen = now
        await asyncio.sleep(LOOK_SECONDS)


def _tell_end(job: Job, rest: bytes) -> None:
    if rest:
        screen.output(job, rest)
    if job.status is JobStatus.COMPLETED:
        screen.event(job, f"completed: {json.dumps(job.result, ensure_ascii=False)[:300]}")
    else:
        screen.event(job, f"{job.status}: {job.error_message or job.reason}")
