"""Processes over HTTP."""

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.etags import Expected
from orchestrator_server.http.keys import DATABASE, SETTINGS
from orchestrator_server.http.routes import delete, get, post, put
from orchestrator_server.processes import editing, proposing, service
from sdk.contract.base import Page
from sdk.contract.processes import (
    Process,
    ProcessCreate,
    ProcessQuery,
    ProcessRelease,
    ProcessSecret,
    ProcessUpdate,
)


async def list_processes(request: web.Request, wanted: ProcessQuery) -> Page[Process]:
    """List processes, newest first."""
    return await request.app[DATABASE].read(service.list_processes, wanted)


async def create_process(request: web.Request, person: Person, wanted: ProcessCreate) -> Process:
    """Create a process: a script of a package, under a name."""
    return await request.app[DATABASE].write(
        service.create, person, wanted, request.app[SETTINGS].jobs
    )


async def get_process(request: web.Request, process_id: int) -> Process:
    """Get one process."""
    return await request.app[DATABASE].read(service.get, process_id)


async def update_process(
    request: web.Request,
    person: Person,
    process_id: int,
    wanted: ProcessUpdate,
    expected: Expected,
) -> Process:
    """Change a process; its version rises if something else would run."""
    return await request.app[DATABASE].write(editing.update, person, process_id, wanted, expected)


async def upgrade_process(request: web.Request, person: Person, process_id: int) -> Process:
    """Move a process to the newest active version of its package."""
    return await request.app[DATABASE].write(editing.upgrade, person, process_id)


async def use_package(request: web.Request, person: Person, package_id: int) -> list[Process]:
    """Move all processes of a package to this version of it, newer or older, or none."""
    return await request.app[DATABASE].write(editing.use, person, package_id)


async def list_process_secrets(request: web.Request, process_id: int) -> list[ProcessSecret]:
    """List the secrets that a process may read, and those that its package asks for."""
    return await request.app[DATABASE].read(service.secrets, process_id)


async def propose_process_change(
    request: web.Request, person: Person, process_id: int, wanted: ProcessUpdate
) -> Process:
    """Propose a change of a process that reads secrets; it waits until it is released."""
    return await request.app[DATABASE].write(proposing.propose, person, process_id, wanted)


async def discard_process_proposal(request: web.Request, person: Person, process_id: int) -> None:
    """Drop the change that waits to be released."""
    await request.app[DATABASE].write(proposing.discard, person, process_id)


async def release_process_change(
    request: web.Request, person: Person, process_id: int, wanted: ProcessRelease
) -> Process:
    """Apply the change that waits. Where secrets were granted, it also takes `assets:edit`."""
    return await request.app[DATABASE].write(proposing.release, person, process_id, wanted)


async def delete_process(request: web.Request, person: Person, process_id: int) -> None:
    """Delete a process that has no unfinished job."""
    await request.app[DATABASE].write(service.delete, person.actor, process_id)


# `sdk assets grant` and `sdk release` look at processes before they change something.
_READERS = ("publish", "run", "manage")

ROUTES = [
    get("/api/processes", list_processes, may="processes:view", sdk=_READERS),
    post("/api/processes", create_process, may="processes:create", status=201, sdk="publish"),
    get("/api/processes/{process_id}", get_process, may="processes:view", sdk=_READERS),
    post("/api/packages/{package_id}/use", use_package, may="processes:edit", sdk="publish"),
    get(
        "/api/processes/{process_id}/secrets",
        list_process_secrets,
        may="processes:view",
        sdk=_READERS,
    ),
    put("/api/processes/{process_id}", update_process, may="processes:edit", sdk="publish"),
    post(
        "/api/processes/{process_id}/upgrade", upgrade_process, may="processes:edit", sdk="publish"
    ),
    put(
        "/api/processes/{process_id}/proposal",
        propose_process_change,
        may="processes:edit",
        sdk="publish",
    ),
    delete(
        "/api/processes/{process_id}/proposal",
        discard_process_proposal,
        may="processes:edit",
        sdk="publish",
    ),
    post(
        "/api/processes/{process_id}/release",
        release_process_change,
        may="processes:edit",
        sdk="manage",
    ),
    delete("/api/processes/{process_id}", delete_process, may="processes:delete"),
]
