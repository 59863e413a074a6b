"""Queue items over HTTP: for people, and for the robots and jobs that work on them."""

from aiohttp import web

from orchestrator_server.access.callers import JobCaller, Person, Worker
from orchestrator_server.etags import Expected
from orchestrator_server.http import repeats
from orchestrator_server.http.keys import DATABASE
from orchestrator_server.http.routes import delete, get, job_post, post, put, worker_post
from orchestrator_server.queue_items import claims, service
from orchestrator_server.repeats.service import once
from sdk.contract.base import Page
from sdk.contract.queues import (
    Item,
    ItemAttempt,
    ItemClaim,
    ItemClaimed,
    ItemComplete,
    ItemContent,
    ItemCreate,
    ItemFail,
    ItemOutcomes,
    ItemQuery,
    ItemRenew,
    ItemsCreate,
    ItemUpdate,
)

BULK_BYTES = 8 * 1024 * 1024


async def list_items(request: web.Request, wanted: ItemQuery) -> Page[Item]:
    """List queue items, newest first; `dead_letters=true` lists those that failed for good."""
    return await request.app[DATABASE].read(service.list_items, wanted)


async def create_item(request: web.Request, person: Person, wanted: ItemCreate) -> Item:
    """Put an item into a queue."""
    repeated = repeats.of(request, person, wanted)
    return await request.app[DATABASE].write(
        once, repeated, Item, service.create, person.actor, wanted
    )


async def create_items(request: web.Request, person: Person, wanted: ItemsCreate) -> ItemOutcomes:
    """Put up to 1,000 items into a queue; each has an outcome of its own."""
    repeated = repeats.of(request, person, wanted)
    return await request.app[DATABASE].write(
        once, repeated, ItemOutcomes, service.create_many, person.actor, wanted
    )


async def get_item(request: web.Request, item_id: int) -> Item:
    """Get one queue item."""
    return await request.app[DATABASE].read(service.get, item_id)


async def item_attempts(request: web.Request, item_id: int) -> list[ItemAttempt]:
    """Each time an item was taken, and how that ended, the first one first."""
    return await request.app[DATABASE].read(service.attempts, item_id)


async def update_item(
    request: web.Request, person: Person, item_id: int, wanted: ItemUpdate, expected: Expected
) -> Item:
    """Change a new item, try a dead letter again, or give a new item up."""
    return await request.app[DATABASE].write(
        service.update, person.actor, item_id, wanted, expected
    )


async def delete_item(request: web.Request, person: Person, item_id: int) -> None:
    """Delete an item that nobody is working on."""
    await request.app[DATABASE].write(service.delete, person.actor, item_id)


async def claim_item(request: web.Request, worker: Worker, wanted: ItemClaim) -> ItemClaimed:
    """Take the next item of a queue; with the same key, the same item again."""
    return await request.app[DATABASE].write(claims.claim, worker, wanted)


async def complete_item(
    request: web.Request, worker: Worker, item_id: int, wanted: ItemComplete
) -> Item:
    """Say that an item is done. The same again is answered the same."""
    return await request.app[DATABASE].write(claims.complete, worker, item_id, wanted)


async def fail_item(request: web.Request, worker: Worker, item_id: int, wanted: ItemFail) -> Item:
    """Say that an item failed: tried again if the attempt was at fault, final if the item was."""
    return await request.app[DATABASE].write(claims.fail, worker, item_id, wanted)


async def renew_item(request: web.Request, worker: Worker, item_id: int, wanted: ItemRenew) -> Item:
    """Keep an item for another lease."""
    return await request.app[DATABASE].write(claims.renew, worker, item_id, wanted)


async def add_item(
    request: web.Request, job: JobCaller, queue_name: str, wanted: ItemContent
) -> Item:
    """Put an item into a queue, named, from a running job."""
    repeated = repeats.of(request, job, wanted)
    return await request.app[DATABASE].write(
        once, repeated, Item, claims.add, job, queue_name, wanted
    )


ROUTES = [
    job_post("/api/runtime/queues/{queue_name}/items", add_item, status=201, repeatable=True),
    get("/api/queue-items", list_items, may="queue_items:view", sdk="manage"),
    post(
        "/api/queue-items",
        create_item,
        may="queue_items:create",
        status=201,
        sdk="default",
        repeatable=True,
    ),
    post(
        "/api/queue-items/bulk",
        create_items,
        may="queue_items:create",
        limit_bytes=BULK_BYTES,
        sdk="manage",
        repeatable=True,
    ),
    worker_post("/api/queue-items/claim", claim_item),
    get("/api/queue-items/{item_id}", get_item, may="queue_items:view", sdk="manage"),
    get("/api/queue-items/{item_id}/attempts", item_attempts, may="queue_items:view", sdk="manage"),
    put("/api/queue-items/{item_id}", update_item, may="queue_items:edit", sdk="manage"),
    delete("/api/queue-items/{item_id}", delete_item, may="queue_items:delete", sdk="manage"),
    worker_post("/api/queue-items/{item_id}/complete", complete_item),
    worker_post("/api/queue-items/{item_id}/fail", fail_item),
    worker_post("/api/queue-items/{item_id}/renew", renew_item),
]
