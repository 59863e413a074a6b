"""The verbs of an item for people: put in, look at, change, take out."""

from collections import Counter
from typing import Any

import msgspec

from orchestrator_server.access.callers import Actor
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json, utc
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, Invalid, TooLarge
from orchestrator_server.etags import Expected
from orchestrator_server.queue_items import lifecycle
from orchestrator_server.queues import service as queues
from sdk.contract.base import Page
from sdk.contract.queues import (
    Item,
    ItemAttempt,
    ItemContent,
    ItemCreate,
    ItemOutcome,
    ItemOutcomes,
    ItemQuery,
    ItemsCreate,
    ItemStatus,
    ItemUpdate,
    Queue,
)

sql = queries.load(__package__)

MAX_BYTES = 256 * 1024


class Id(msgspec.Struct, frozen=True):
    id: int


def create(tx: Transaction, actor: Actor, wanted: ItemCreate) -> Item:
    queue = queues.for_adding(tx, wanted.queue_id)
    created = _insert(tx, queue, wanted)
    if created is None:
        raise _taken(wanted.reference)
    item = get(tx, created)
    audit.record(tx, actor, "queue_item.created", after=item, name=display(item))
    return item


def create_many(tx: Transaction, actor: Actor, wanted: ItemsCreate) -> ItemOutcomes:
    """Each item by itself: one that is there already, or does not fit, keeps no other out."""
    queue = queues.for_adding(tx, wanted.queue_id)
    outcomes = [_put(tx, queue, index, content) for index, content in enumerate(wanted.items)]
    count = Counter(outcome.status for outcome in outcomes)
    counts = {
        "created": count["created"],
        "duplicates": count["duplicate"],
        "invalid": count["invalid"],
    }
    audit.record(
        tx, actor, "queue.filled", entity_id=queue.id, name=queue.name, metadata=dict(counts)
    )
    return ItemOutcomes(items=outcomes, **counts)


def get(tx: Transaction, item_id: int) -> Item:
    return tx.one(sql.list, Item, missing=_missing(item_id), id=item_id, limit=1)


def list_items(tx: Transaction, wanted: ItemQuery) -> Page[Item]:
    return tx.page(
        sql.list,
        Item,
        wanted,
        queue_id=wanted.queue_id,
        status=wanted.status,
        reference=wanted.reference,
        dead_letters=True if wanted.dead_letters else None,
    )


def attempts(tx: Transaction, item_id: int) -> list[ItemAttempt]:
    get(tx, item_id)
    return tx.all(sql.attempts, ItemAttempt, id=item_id)


def update(
    tx: Transaction, actor: Actor, item_id: int, wanted: ItemUpdate, expected: Expected
) -> Item:
    state = locked(tx, item_id)
    before = get(tx, item_id)
    expected.must_fit(before)
    given = wanted.given()
    status = given.pop("status", state.status)
    lifecycle.must_allow_by_hand(state, status, is_edited=bool(given))
    changed = msgspec.structs.replace(before, **given)
    if status != state.status:
        _move_by_hand(tx, state, status, changed)
    if given:
        _edit(tx, state, before, changed)
    item = get(tx, item_id)
    audit.record(tx, actor, "queue_item.updated", before=before, after=item, name=display(item))
    return item


def delete(tx: Transaction, actor: Actor, item_id: int) -> None:
    state = locked(tx, item_id)
    item = get(tx, item_id)
    if state.status is ItemStatus.IN_PROGRESS:
        raise Conflict(f"Item {item_id} is being worked on; wait until that has ended.")
    tx.run(sql.delete, id=item_id)
    audit.record(tx, actor, "queue_item.deleted", before=item, name=display(item))


def locked(tx: Transaction, item_id: int) -> lifecycle.State:
    return tx.one(sql.lock, lifecycle.State, missing=_missing(item_id), id=item_id)


def move(
    tx: Transaction,
    state: lifecycle.State,
    to: lifecycle.Next,
    outcome: lifecycle.Outcome | None = None,
) -> None:
    """Into another state; who has finished an item stays known, who gave it back does not."""
    done = to.status in (ItemStatus.COMPLETED, ItemStatus.FAILED)
    tx.run(
        sql.move,
        id=state.id,
        status=to.status,
        retries=to.retries,
        result=Json(outcome.result if outcome else None),
        error_type=outcome.error_type if outcome else None,
        error_message=outcome.error_message if outcome else None,
        locked_by_robot_id=state.locked_by_robot_id if done else None,
        locked_at=state.locked_at if done else None,
        job_id=state.job_id if done else None,
    )


def check_size(value: Any, where: str) -> None:
    if len(msgspec.json.encode(value)) > MAX_BYTES:
        raise TooLarge(f"`{where}` has at most {MAX_BYTES // 1024} KiB; put more into a file.")


def display(item: Item) -> str:
    return f"{item.id} ({item.reference})" if item.reference else str(item.id)


def _move_by_hand(
    tx: Transaction, state: lifecycle.State, status: ItemStatus, changed: Item
) -> None:
    if status is not ItemStatus.NEW:
        move(tx, state, lifecycle.Next(status, state.retries))
        return
    queues.for_adding(tx, state.queue_id)
    if changed.deadline is not None and utc(changed.deadline) <= tx.now:
        raise Conflict(
            f"The deadline of item {state.id} has passed; give it a later `deadline`, or null."
        )
    move(tx, state, lifecycle.Next(status, retries=0))


def _put(tx: Transaction, queue: Queue, index: int, content: ItemContent) -> ItemOutcome:
    try:
        created = _insert(tx, queue, content)
    except (Invalid, TooLarge) as error:
        return ItemOutcome(index=index, status="invalid", detail=str(error))
    if created is not None:
        return ItemOutcome(index=index, status="created", id=created)
    known = tx.one(
        sql.by_reference,
        Id,
        missing="The item with this reference is gone; send it again.",
        queue_id=queue.id,
        reference=content.reference,
    )
    return ItemOutcome(index=index, status="duplicate", id=known.id)


def _insert(tx: Transaction, queue: Queue, content: ItemContent) -> int | None:
    """Its id, or None where the reference is taken. What is refused, is before it is stored."""
    check_size(content.payload, "payload")
    _check_reference(content.reference)
    inserted = tx.maybe(
        sql.insert,
        Id,
        queue_id=queue.id,
        reference=content.reference,
        unique_reference=content.reference if queue.enforce_unique_reference else None,
        priority=content.priority,
        payload=Json(content.payload),
        defer_until=content.defer_until,
        deadline=content.deadline,
    )
    return inserted.id if inserted else None


def _edit(tx: Transaction, state: lifecycle.State, before: Item, changed: Item) -> None:
    check_size(changed.payload, "payload")
    _check_reference(changed.reference)
    unique = changed.reference if state.enforce_unique_reference else None
    if unique is not None and unique != before.reference:
        taken = {"queue_id": state.queue_id, "reference": unique}
        if tx.maybe(sql.by_reference, Id, **taken):
            raise _taken(unique)
    tx.run(
        sql.update,
        id=before.id,
        payload=Json(changed.payload),
        reference=changed.reference,
        unique_reference=unique,
        priority=changed.priority,
        defer_until=changed.defer_until,
        deadline=changed.deadline,
    )


def _check_reference(reference: str | None) -> None:
    if reference is not None and not reference.isprintable():
        raise Invalid("A reference cannot have control characters.", pointer="#/reference")


def _taken(reference: str | None) -> AlreadyExists:
    return AlreadyExists(
        f"The queue has an item with the reference {reference} already; "
        "look at that one, or choose another reference."
    )


def _missing(item_id: int) -> str:
    return f"There is no item {item_id}."
