"""Jobs over HTTP: read the request, call a verb, answer. The table is at the end."""

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.http.keys import DATABASE, LOGS, WAKEUPS
from orchestrator_server.http.routes import get, post
from orchestrator_server.jobs import service
from sdk.contract.base import Page
from sdk.contract.jobs import Job, JobCreate, JobQuery, LogQuery


async def list_jobs(request: web.Request, wanted: JobQuery) -> Page[Job]:
    """List jobs, newest first."""
    return await request.app[DATABASE].read(service.list_jobs, wanted)


async def create_job(request: web.Request, person: Person, wanted: JobCreate) -> Job:
    """Ask for a run of a process; the job waits as `pending` until a robot claims it."""
    target = await request.app[DATABASE].write(service.create, person, wanted)
    request.app[WAKEUPS].wake_one(target.robot_id)  # after the commit: only what is true
    return target.job


async def get_job(request: web.Request, job_id: int) -> Job:
    """Get one job."""
    return await request.app[DATABASE].read(service.get, job_id)


async def cancel_job(request: web.Request, person: Person, job_id: int) -> Job:
    """Cancel a waiting or running job for good; a finished one is answered unchanged."""
    return await request.app[DATABASE].write(service.cancel, person.actor, job_id)


async def read_log(request: web.Request, job_id: int, wanted: LogQuery) -> web.Response:
    """Read the output of a job from a byte offset on; `X-Next-Offset` says where to go on."""
    job = await request.app[DATABASE].read(service.get, job_id)
    attempt = wanted.attempt or job.attempt
    content = await request.app[LOGS].read(job_id, attempt, wanted.offset)
    next_offset = str(wanted.offset + len(content))
    return web.Response(
        body=content,
        content_type="text/plain",
        charset="utf-8",
        headers={"X-Next-Offset": next_offset, "Content-Disposition": "inline"},
    )


ROUTES = [
    get("/api/jobs", list_jobs, may="jobs:view"),
    post("/api/jobs", create_job, may="jobs:create", status=201),
    get("/api/jobs/{job_id}", get_job, may="jobs:view"),
    post("/api/jobs/{job_id}/cancel", cancel_job, may="jobs:edit"),
    get("/api/jobs/{job_id}/logs", read_log, may="jobs:view", gives=bytes),
]
