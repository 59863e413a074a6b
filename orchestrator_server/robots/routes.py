"""Robots over HTTP, for the people who look after them."""

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.http.keys import DATABASE, online_since
from orchestrator_server.http.routes import delete, get, post
from orchestrator_server.robots import service
from sdk.contract.base import Page
from sdk.contract.robots import Robot, RobotCreate, RobotCreated, RobotQuery


async def list_robots(request: web.Request, wanted: RobotQuery) -> Page[Robot]:
    """List robots, newest first."""
    return await request.app[DATABASE].read(service.list_robots, wanted, online_since(request))


async def create_robot(request: web.Request, person: Person, wanted: RobotCreate) -> RobotCreated:
    """Create a robot. The answer is the only one that carries its token."""
    since = online_since(request)
    return await request.app[DATABASE].write(service.create, person.actor, wanted, since)


async def get_robot(request: web.Request, robot_id: int) -> Robot:
    """Get one robot."""
    return await request.app[DATABASE].read(service.get, robot_id, online_since(request))


async def delete_robot(request: web.Request, person: Person, robot_id: int) -> None:
    """Delete a robot that runs no job; its token dies with it."""
    since = online_since(request)
    await request.app[DATABASE].write(service.delete, person.actor, robot_id, since)


async def vouch_for_robot(request: web.Request, person: Person, robot_id: int) -> Robot:
    """Vouch for a robot: it shows as online until the usual silence limit."""
    since = online_since(request)
    return await request.app[DATABASE].write(service.vouch, person.actor, robot_id, since)


ROUTES = [
    get("/api/robots", list_robots, may="robots:view"),
    post("/api/robots", create_robot, may="robots:create", status=201),
    get("/api/robots/{robot_id}", get_robot, may="robots:view"),
    delete("/api/robots/{robot_id}", delete_robot, may="robots:delete"),
    post("/api/robots/{robot_id}/heartbeat", vouch_for_robot, may="robots:edit"),
]
