"""Artifacts over HTTP: left by running jobs, fetched by people, as files and never as pages."""

from urllib.parse import quote

from aiohttp import web

from orchestrator_server.access.callers import JobCaller, RobotCaller
from orchestrator_server.artifacts import service
from orchestrator_server.artifacts.service import FOLDER, MAX_BYTES, Attempt
from orchestrator_server.assets import reads
from orchestrator_server.errors import OrchestratorError, Unavailable
from orchestrator_server.http import bodies, downloads
from orchestrator_server.http.keys import DATA_FOLDER, DATABASE, OBJECTS, SEALER
from orchestrator_server.http.routes import get, job_put, robot_put
from orchestrator_server.objects.incoming import receive
from orchestrator_server.objects.store import tidy
from sdk.contract.jobs import Artifact
from sdk.contract.runner import ArtifactBring
from sdk.masking.mask import Mask

BINARY = "application/octet-stream"


async def leave_artifact(request: web.Request, job: JobCaller, name: str) -> Artifact:
    """Leave a file for people; the last one of a name counts."""
    return await _take_in(request, Attempt(job.id, job.attempt, job), name)


async def bring_artifact(
    request: web.Request, robot: RobotCaller, job_id: int, name: str, wanted: ArtifactBring
) -> Artifact:
    """Bring a file that an attempt left in its folder, also within a day after its end."""
    return await _take_in(request, Attempt(job_id, wanted.attempt, robot), name)


async def _take_in(request: web.Request, of: Attempt, name: str) -> Artifact:
    bodies.check_type(request, (BINARY,))
    objects, database, sealer = request.app[OBJECTS], request.app[DATABASE], request.app[SEALER]
    # A script that brings it by itself has not covered its name, and its robot may not know yet.
    secrets = await database.read(reads.values, sealer, of.job_id, of.number)
    name = Mask(secrets).text(name)
    await database.read(service.check, of, name)  # before it is sent
    async with receive(request.app[DATA_FOLDER], MAX_BYTES, "An artifact") as incoming:
        async for chunk in bodies.chunks(request):
            incoming.write(chunk)
        incoming.complete()
        left = service.Left(
            name=name,
            sha256=incoming.sha256,
            size_bytes=incoming.size_bytes,
            file_path=f"{of.job_id}/{incoming.path.name}",
        )
        await objects.put(FOLDER + left.file_path, incoming.path)
        try:
            kept, replaced = await database.write(service.keep, of, left)
        except Unavailable:
            raise  # it may have happened all the same
        except OrchestratorError:
            await tidy(objects, [FOLDER + left.file_path])
            raise
    if replaced is not None:
        await tidy(objects, [FOLDER + replaced])
    return kept


async def list_artifacts(request: web.Request, job_id: int) -> list[Artifact]:
    """The files that a job left, the first attempt first."""
    return await request.app[DATABASE].read(service.list_of, job_id)


async def get_artifact(request: web.Request, job_id: int, artifact_id: int) -> web.StreamResponse:
    """Fetch a file that a job left, whole or one range of it."""
    left = await request.app[DATABASE].read(service.file_of, job_id, artifact_id)
    wanted = downloads.Wanted(
        FOLDER + left.file_path, left.size_bytes, left.sha256, "The file of this artifact"
    )
    named = f"attachment; filename*=UTF-8''{quote(left.name, safe='')}"  # RFC 6266
    headers = {"Content-Type": BINARY, "Content-Disposition": named}
    return await downloads.send(request, wanted, headers)


ROUTES = [
    job_put(
        "/api/runtime/artifacts/{name}",
        leave_artifact,
        media_types=(BINARY,),
        limit_bytes=MAX_BYTES,
    ),
    robot_put(
        "/api/runner/jobs/{job_id}/artifacts/{name}",
        bring_artifact,
        media_types=(BINARY,),
        limit_bytes=MAX_BYTES,
    ),
    get("/api/jobs/{job_id}/artifacts", list_artifacts, may="jobs:view", sdk="run"),
    get(
        "/api/jobs/{job_id}/artifacts/{artifact_id}",
        get_artifact,
        may="jobs:view",
        gives=bytes,
        sdk="run",
    ),
]
