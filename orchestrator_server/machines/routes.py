"""Machines over HTTP."""

from datetime import timedelta

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.etags import Expected
from orchestrator_server.http.keys import DATABASE, HINTS, SETTINGS, online_since
from orchestrator_server.http.routes import delete, get, post, put
from orchestrator_server.jobs.wants import Wants
from orchestrator_server.machines import editing, service
from sdk.contract.base import Page
from sdk.contract.machines import (
    Machine,
    MachineCreate,
    MachineCreated,
    MachineKey,
    MachineQuery,
    MachineUpdate,
)


async def list_machines(request: web.Request, wanted: MachineQuery) -> Page[Machine]:
    """List machines, newest first."""
    since = await online_since(request)
    return await request.app[DATABASE].read(service.list_machines, wanted, since)


async def create_machine(
    request: web.Request, person: Person, wanted: MachineCreate
) -> MachineCreated:
    """Create a machine. The answer is the only one that carries its key."""
    since = await online_since(request)
    return await request.app[DATABASE].write(service.create, person.actor, wanted, since)


async def get_machine(request: web.Request, machine_id: int) -> Machine:
    """Get one machine."""
    return await request.app[DATABASE].read(service.get, machine_id, await online_since(request))


async def update_machine(
    request: web.Request,
    person: Person,
    machine_id: int,
    wanted: MachineUpdate,
    expected: Expected,
) -> Machine:
    """Rename a machine, or change the labels that its agent may request for its robots."""
    since = await online_since(request)
    machine, relabeled = await request.app[DATABASE].write(
        editing.update, person.actor, machine_id, wanted, expected, since
    )
    for robot_id in relabeled:  # those that wait for a job wait as what they were
        request.app[HINTS].job(Wants(robot_id=robot_id))
    return machine


async def renew_machine_key(request: web.Request, person: Person, machine_id: int) -> MachineKey:
    """Give a machine a new key; the one before works for the overlap that is set."""
    minutes = request.app[SETTINGS].security.rotation_overlap_minutes
    return await request.app[DATABASE].write(
        service.renew_key,
        person.actor,
        machine_id,
        timedelta(minutes=minutes),
        await online_since(request),
    )


async def delete_machine(request: web.Request, person: Person, machine_id: int) -> None:
    """Delete a machine that has no robots; its key dies with it."""
    since = await online_since(request)
    await request.app[DATABASE].write(service.delete, person.actor, machine_id, since)


ROUTES = [
    get("/api/machines", list_machines, may="machines:view", sdk="manage"),
    post("/api/machines", create_machine, may="machines:create", status=201, sdk="manage"),
    get("/api/machines/{machine_id}", get_machine, may="machines:view", sdk="manage"),
    put("/api/machines/{machine_id}", update_machine, may="machines:edit", sdk="manage"),
    post(
        "/api/machines/{machine_id}/key",
        renew_machine_key,
        may="machines:edit",
        status=201,
        sdk="manage",
    ),
    delete("/api/machines/{machine_id}", delete_machine, may="machines:delete", sdk="manage"),
]
