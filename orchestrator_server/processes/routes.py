"""Processes over HTTP."""

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.http.keys import DATABASE
from orchestrator_server.http.routes import delete, get, post
from orchestrator_server.processes import service
from sdk.contract.base import Page
from sdk.contract.processes import Process, ProcessCreate, ProcessQuery


async def list_processes(request: web.Request, wanted: ProcessQuery) -> Page[Process]:
    """List processes, newest first."""
    return await request.app[DATABASE].read(service.list_processes, wanted)


async def create_process(request: web.Request, person: Person, wanted: ProcessCreate) -> Process:
    """Create a process: a script of a package, under a name."""
    return await request.app[DATABASE].write(service.create, person.actor, wanted)


async def get_process(request: web.Request, process_id: int) -> Process:
    """Get one process."""
    return await request.app[DATABASE].read(service.get, process_id)


async def delete_process(request: web.Request, person: Person, process_id: int) -> None:
    """Delete a process that has no unfinished job."""
    await request.app[DATABASE].write(service.delete, person.actor, process_id)


ROUTES = [
    get("/api/processes", list_processes, may="processes:view"),
    post("/api/processes", create_process, may="processes:create", status=201),
    get("/api/processes/{process_id}", get_process, may="processes:view"),
    delete("/api/processes/{process_id}", delete_process, may="processes:delete"),
]
