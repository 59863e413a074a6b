"""Jobs over HTTP: read the request, call a verb, answer. The table is at the end."""

import structlog
from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.errors import NotFound, OrchestratorError
from orchestrator_server.etags import Expected
from orchestrator_server.http import repeats
from orchestrator_server.http.keys import DATABASE, HINTS, LOGS, SETTINGS, WAKEUPS, online_since
from orchestrator_server.http.routes import get, post, put
from orchestrator_server.jobs import editing, history, log_events, service
from orchestrator_server.jobs.wants import Wants
from orchestrator_server.repeats.service import once
from sdk.contract.base import Page
from sdk.contract.jobs import (
    Job,
    JobAttempt,
    JobCreate,
    JobEvent,
    JobExplanation,
    JobQuery,
    JobStatus,
    JobUpdate,
    LogQuery,
)

log = structlog.get_logger(__name__)


async def list_jobs(request: web.Request, wanted: JobQuery) -> Page[Job]:
    """List jobs, newest first."""
    return await request.app[DATABASE].read(service.list_jobs, wanted)


async def create_job(request: web.Request, person: Person, wanted: JobCreate) -> Job:
    """Ask for a run of a process; the job waits as `pending` until a robot claims it."""
    target = await request.app[DATABASE].write(
        once,
        repeats.of(request, person, wanted),
        service.Target,
        service.create,
        person,
        wanted,
        request.app[SETTINGS].jobs,
    )
    request.app[HINTS].job(target.wants)  # after the commit: only what is true
    return target.job


async def get_job(request: web.Request, job_id: int) -> Job:
    """Get one job."""
    return await request.app[DATABASE].read(service.get, job_id)


async def cancel_job(request: web.Request, person: Person, job_id: int) -> Job:
    """Cancel a waiting or running job for good; a finished one is answered unchanged."""
    job = await request.app[DATABASE].write(service.cancel, person.actor, job_id)
    request.app[HINTS].order(job_id)
    return job


async def update_job(
    request: web.Request, person: Person, job_id: int, wanted: JobUpdate, expected: Expected
) -> Job:
    """Move a waiting job to another robot or priority, or fail or cancel one by hand."""
    job = await request.app[DATABASE].write(editing.update, person.actor, job_id, wanted, expected)
    if job.status is JobStatus.PENDING:
        request.app[HINTS].job(Wants.of(job.robot_id, None, job.labels))
    request.app[HINTS].order(job_id)
    return job


async def stop_job(request: web.Request, person: Person, job_id: int) -> Job:
    """Ask the script of a running job to finish early (`job.should_stop`)."""
    job = await request.app[DATABASE].write(editing.ask_to_stop, person.actor, job_id)
    request.app[HINTS].order(job_id)
    return job


async def retry_job(request: web.Request, person: Person, job_id: int) -> Job:
    """Run again what a job that has ended ran, as a new job."""
    target = await request.app[DATABASE].write(
        once,
        repeats.of(request, person, None),
        service.Target,
        editing.retry,
        person,
        job_id,
    )
    request.app[HINTS].job(target.wants)
    return target.job


async def list_attempts(request: web.Request, job_id: int) -> list[JobAttempt]:
    """List the attempts of a job, the first one first."""
    return await request.app[DATABASE].read(history.attempts, job_id)


async def job_timeline(request: web.Request, job_id: int) -> list[JobEvent]:
    """What happened to a job, oldest first."""
    return await request.app[DATABASE].read(history.timeline, job_id)


async def explain_job(request: web.Request, job_id: int) -> JobExplanation:
    """Why a job is still pending: a line for each limit, and one for each robot."""
    return await request.app[DATABASE].read(history.explain, job_id, await online_since(request))


async def stream_log(request: web.Request, job_id: int, wanted: LogQuery) -> web.StreamResponse:
    """Follow the output of a job as server-sent events.

    Each event is a JSON text; its id is the byte offset behind it, and `Last-Event-ID` goes on
    from there. The event `end` carries the job's status.
    """
    database, logs = request.app[DATABASE], request.app[LOGS]
    offset = log_events.offset_of(request, wanted.offset)
    await database.read(service.get, job_id)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    try:
        async for event in log_events.follow(database, logs, job_id, wanted.attempt, offset):
            await response.write(event)
            if request.app[WAKEUPS].closed:  # the server stops; the reader comes back
                break
    except OrchestratorError as error:  # nor has it all been said: the reader comes back
        log.warning("a log could not be followed to its end", job=job_id, why=str(error))
    await response.write_eof()
    return response


async def read_log(request: web.Request, job_id: int, wanted: LogQuery) -> web.Response:
    """Read the output of a job from a byte offset on; `X-Next-Offset` says where to go on."""
    job = await request.app[DATABASE].read(service.get, job_id)
    attempt = wanted.attempt or job.attempt
    if attempt > job.attempt:
        raise NotFound(f"Job {job_id} has no attempt {attempt}; it has had {job.attempt}.")
    is_over = job.finished_at is not None or attempt < job.attempt
    content = await request.app[LOGS].read(job_id, attempt, wanted.offset, is_over=is_over)
    next_offset = str(wanted.offset + len(content))
    return web.Response(
        body=content,
        content_type="text/plain",
        charset="utf-8",
        headers={"X-Next-Offset": next_offset, "Content-Disposition": "inline"},
    )


ROUTES = [
    get("/api/jobs", list_jobs, may="jobs:view", sdk="run"),
    post("/api/jobs", create_job, may="jobs:create", status=201, sdk="run", repeatable=True),
    get("/api/jobs/{job_id}", get_job, may="jobs:view", sdk="run"),
    post("/api/jobs/{job_id}/cancel", cancel_job, may="jobs:edit", sdk="run"),
    put("/api/jobs/{job_id}", update_job, may="jobs:edit"),
    post("/api/jobs/{job_id}/stop", stop_job, may="jobs:edit", sdk="run"),
    post(
        "/api/jobs/{job_id}/retry",
        retry_job,
        may="jobs:create",
        status=201,
        sdk="run",
        repeatable=True,
    ),
    get("/api/jobs/{job_id}/attempts", list_attempts, may="jobs:view", sdk="run"),
    get("/api/jobs/{job_id}/timeline", job_timeline, may="jobs:view", sdk="run"),
    get("/api/jobs/{job_id}/explain", explain_job, may="jobs:view", sdk="run"),
    get("/api/jobs/{job_id}/logs/stream", stream_log, may="jobs:view", gives=bytes, sdk="run"),
    get("/api/jobs/{job_id}/logs", read_log, may="jobs:view", gives=bytes, sdk="run"),
]
