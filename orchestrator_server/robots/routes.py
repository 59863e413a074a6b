"""Robots over HTTP, for the people who look after them."""

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.etags import Expected
from orchestrator_server.http.keys import DATABASE, HINTS, SEALER, online_since
from orchestrator_server.http.routes import delete, get, post, put
from orchestrator_server.jobs.wants import Wants
from orchestrator_server.robots import editing, service
from sdk.contract.base import Page
from sdk.contract.robots import (
    Robot,
    RobotCreate,
    RobotCreated,
    RobotPause,
    RobotQuery,
    RobotToken,
    RobotUpdate,
)


async def list_robots(request: web.Request, wanted: RobotQuery) -> Page[Robot]:
    """List robots, newest first."""
    return await request.app[DATABASE].read(
        service.list_robots, wanted, await online_since(request)
    )


async def create_robot(request: web.Request, person: Person, wanted: RobotCreate) -> RobotCreated:
    """Create a robot. The answer is the only one that carries its token."""
    since, sealer = await online_since(request), request.app[SEALER]
    return await request.app[DATABASE].write(editing.create, person.actor, sealer, wanted, since)


async def get_robot(request: web.Request, robot_id: int) -> Robot:
    """Get one robot."""
    return await request.app[DATABASE].read(service.get, robot_id, await online_since(request))


async def update_robot(
    request: web.Request, person: Person, robot_id: int, wanted: RobotUpdate, expected: Expected
) -> Robot:
    """Change a robot: its name, machine, labels or credential."""
    robot = await request.app[DATABASE].write(
        editing.update,
        person.actor,
        request.app[SEALER],
        robot_id,
        wanted,
        expected,
        await online_since(request),
    )
    _is_another_now(request, robot_id)
    return robot


async def delete_robot(request: web.Request, person: Person, robot_id: int) -> None:
    """Delete a robot that runs no job; its token and its credential die with it."""
    since = await online_since(request)
    await request.app[DATABASE].write(editing.delete, person.actor, robot_id, since)
    _is_another_now(request, robot_id)


async def vouch_for_robot(request: web.Request, person: Person, robot_id: int) -> Robot:
    """Vouch for a robot: it shows as online until the usual silence limit."""
    since = await online_since(request)
    return await request.app[DATABASE].write(service.vouch, person.actor, robot_id, since)


async def pause_robot(
    request: web.Request, person: Person, robot_id: int, wanted: RobotPause
) -> Robot:
    """Pause a robot: it finishes its job and is given no other, also after restarts."""
    since = await online_since(request)
    write = request.app[DATABASE].write
    robot = await write(editing.pause, person.actor, robot_id, wanted, since)
    _is_another_now(request, robot_id)
    return robot


async def resume_robot(request: web.Request, person: Person, robot_id: int) -> Robot:
    """Resume a paused robot; what waits for it may be claimed at once."""
    since = await online_since(request)
    robot = await request.app[DATABASE].write(editing.resume, person.actor, robot_id, since)
    _is_another_now(request, robot_id)
    return robot


def _is_another_now(request: web.Request, robot_id: int) -> None:
    """If it waits, then as what it was: woken, it asks anew."""
    request.app[HINTS].job(Wants(robot_id=robot_id))


async def renew_robot_token(request: web.Request, person: Person, robot_id: int) -> RobotToken:
    """Give a robot a new token; the one before dies when the new one is first used."""
    since = await online_since(request)
    return await request.app[DATABASE].write(editing.renew_token, person.actor, robot_id, since)


ROUTES = [
    get("/api/robots", list_robots, may="robots:view", sdk="manage"),
    post("/api/robots", create_robot, may="robots:create", status=201, sdk="manage"),
    get("/api/robots/{robot_id}", get_robot, may="robots:view", sdk="manage"),
    put("/api/robots/{robot_id}", update_robot, may="robots:edit", sdk="manage"),
    delete("/api/robots/{robot_id}", delete_robot, may="robots:delete", sdk="manage"),
    post("/api/robots/{robot_id}/heartbeat", vouch_for_robot, may="robots:edit", sdk="manage"),
    post("/api/robots/{robot_id}/pause", pause_robot, may="robots:edit", sdk="manage"),
    post("/api/robots/{robot_id}/resume", resume_robot, may="robots:edit", sdk="manage"),
    post(
        "/api/robots/{robot_id}/token",
        renew_robot_token,
        may="robots:edit",
        status=201,
        sdk="manage",
    ),
]
