"""Queues over HTTP."""

from aiohttp import web

from orchestrator_server.access.callers import Person
from orchestrator_server.etags import Expected
from orchestrator_server.http.keys import DATABASE
from orchestrator_server.http.routes import delete, get, post, put
from orchestrator_server.queues import service
from sdk.contract.base import Page
from sdk.contract.queues import Queue, QueueCreate, QueueQuery, QueueStats, QueueUpdate


async def list_queues(request: web.Request, wanted: QueueQuery) -> Page[Queue]:
    """List queues, newest first."""
    return await request.app[DATABASE].read(service.list_queues, wanted)


async def create_queue(request: web.Request, person: Person, wanted: QueueCreate) -> Queue:
    """Create a queue."""
    return await request.app[DATABASE].write(service.create, person.actor, wanted)


async def get_queue(request: web.Request, queue_id: int) -> Queue:
    """Get one queue."""
    return await request.app[DATABASE].read(service.get, queue_id)


async def queue_stats(request: web.Request, queue_id: int) -> QueueStats:
    """How many items of a queue are in which state, and since when the oldest one waits."""
    return await request.app[DATABASE].read(service.stats, queue_id)


async def update_queue(
    request: web.Request, person: Person, queue_id: int, wanted: QueueUpdate, expected: Expected
) -> Queue:
    """Change a queue."""
    return await request.app[DATABASE].write(
        service.update, person.actor, queue_id, wanted, expected
    )


async def delete_queue(request: web.Request, person: Person, queue_id: int) -> None:
    """Delete a queue in which nothing is left to be done."""
    await request.app[DATABASE].write(service.delete, person.actor, queue_id)


ROUTES = [
    get("/api/queues", list_queues, may="queues:view", sdk="default"),
    post("/api/queues", create_queue, may="queues:create", status=201, sdk="manage"),
    get("/api/queues/{queue_id}", get_queue, may="queues:view", sdk="manage"),
    get("/api/queues/{queue_id}/stats", queue_stats, may="queues:view", sdk="manage"),
    put("/api/queues/{queue_id}", update_queue, may="queues:edit", sdk="manage"),
    delete("/api/queues/{queue_id}", delete_queue, may="queues:delete", sdk="manage"),
]
