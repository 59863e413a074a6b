"""The verbs of a queue."""

from datetime import datetime

import msgspec

from orchestrator_server import names
from orchestrator_server.access.callers import Actor
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, NotFound
from orchestrator_server.etags import Expected
from sdk.contract.base import Page
from sdk.contract.queues import Queue, QueueCreate, QueueQuery, QueueStats, QueueUpdate

sql = queries.load(__package__)


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Count(msgspec.Struct, frozen=True):
    status: str
    count: int


class _Since(msgspec.Struct, frozen=True):
    created_at: datetime


class _Shared(Queue, frozen=True, kw_only=True):
    deleted_at: datetime | None = None


def create(tx: Transaction, actor: Actor, wanted: QueueCreate) -> Queue:
    name = _free_name(tx, wanted.name)
    values = msgspec.structs.asdict(wanted) | {"name": name, "name_key": names.key(name)}
    queue = tx.one(sql.insert, Queue, missing="The queue was not stored.", **values)
    audit.record(tx, actor, "queue.created", after=queue, name=name)
    return queue


def get(tx: Transaction, queue_id: int) -> Queue:
    return tx.one(sql.list, Queue, missing=_missing(queue_id), id=queue_id, limit=1)


def by_name(tx: Transaction, name: str) -> Queue:
    found = tx.maybe(sql.list, Queue, name_key=names.key(name), limit=1)
    if found is None:
        raise NotFound(f"There is no queue named {name}.")
    return found


def for_adding(tx: Transaction, queue_id: int) -> Queue:
    """The queue, which stays while items are put into it; Conflict if it takes none."""
    queue = tx.one(sql.share, _Shared, missing=_missing(queue_id), id=queue_id)
    if queue.deleted_at is not None:
        raise Conflict(f"Queue {queue.name} was deleted; choose another one.")
    if not queue.is_active:
        raise Conflict(f"Queue {queue.name} is not active; activate it first.")
    return queue


def list_queues(tx: Transaction, wanted: QueueQuery) -> Page[Queue]:
    pattern = names.pattern(wanted.search)
    return tx.page(
        sql.list, Queue, wanted, pattern=pattern, is_active=True if wanted.active_only else None
    )


def update(
    tx: Transaction, actor: Actor, queue_id: int, wanted: QueueUpdate, expected: Expected
) -> Queue:
    before = tx.one(sql.lock, Queue, missing=_missing(queue_id), id=queue_id)
    expected.must_fit(before)
    changes = wanted.given()
    if "name" in changes:
        changes["name"] = _free_name(tx, changes["name"], queue_id)
    changed = msgspec.structs.replace(before, **changes)
    tx.run(sql.update, **msgspec.structs.asdict(changed), name_key=names.key(changed.name))
    queue = get(tx, queue_id)
    audit.record(tx, actor, "queue.updated", before=before, after=queue, name=queue.name)
    return queue


def delete(tx: Transaction, actor: Actor, queue_id: int) -> None:
    queue = tx.one(sql.lock, Queue, missing=_missing(queue_id), id=queue_id)
    item = tx.maybe(sql.open_item, _Id, id=queue_id)
    if item is not None:
        raise Conflict(
            f"Queue {queue.name} still has item {item.id} to be done; finish or abandon it first."
        )
    tx.run(sql.delete, id=queue_id)
    audit.record(tx, actor, "queue.deleted", before=queue, name=queue.name)


def stats(tx: Transaction, queue_id: int) -> QueueStats:
    get(tx, queue_id)
    counts = {row.status: row.count for row in tx.all(sql.counts, _Count, id=queue_id)}
    oldest = tx.maybe(sql.oldest_new, _Since, id=queue_id)
    return QueueStats(
        **counts,
        dead_letters=counts.get("failed", 0) + counts.get("abandoned", 0),
        oldest_new_at=oldest.created_at if oldest else None,
    )


def _free_name(tx: Transaction, wanted: str, own_id: int | None = None) -> str:
    name = names.clean(wanted, what="queue")
    known = tx.maybe(sql.list, Queue, name_key=names.key(name), limit=1)
    if known is not None and known.id != own_id:
        raise AlreadyExists(f"There is a queue {name} already.")
    return name


def _missing(queue_id: int) -> str:
    return f"There is no queue {queue_id}."
