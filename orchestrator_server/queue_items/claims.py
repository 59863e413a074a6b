"""The verbs of an item for those who work on it: take, finish, renew; and what takes it back."""

from typing import Any

import msgspec

from orchestrator_server.access.callers import SYSTEM, Actor, JobCaller, RobotCaller
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Unauthenticated
from orchestrator_server.queue_items import lifecycle, service
from orchestrator_server.queue_items.lifecycle import Next, Outcome, Recorded, State, Worker
from orchestrator_server.queue_items.service import Id, sql
from orchestrator_server.queues import service as queues
from orchestrator_server.robots import service as robots
from sdk.contract.queues import (
    ErrorType,
    Item,
    ItemClaim,
    ItemClaimed,
    ItemComplete,
    ItemContent,
    ItemCreate,
    ItemFail,
    ItemRenew,
    ItemStatus,
)


class _AtWork(msgspec.Struct, frozen=True):
    id: int
    lease_seconds: int | None


class _Taken(msgspec.Struct, frozen=True):
    id: int
    status: ItemStatus


def claim(tx: Transaction, caller: RobotCaller | JobCaller, wanted: ItemClaim) -> ItemClaimed:
    """The next item, once for each key; the same item again while it is held."""
    worker = _worker(tx, caller)
    queue = queues.by_name(tx, wanted.queue)
    key = wanted.claim_key
    if key is not None:
        whose = {"robot_id": worker.robot_id, "job_id": worker.job_id}
        taken = tx.maybe(sql.taken_with_key, _Taken, claim_key=key, **whose)
        if taken is not None and taken.status is ItemStatus.IN_PROGRESS:
            return _claimed(tx, taken.id)
        if taken is not None:
            return ItemClaimed(item=None, key_used=True)
    if not queue.is_active:
        return ItemClaimed(item=None)
    claimed = tx.maybe(
        sql.claim,
        Id,
        queue_id=queue.id,
        claim_key=key,
        robot_id=worker.robot_id,
        job_id=worker.job_id,
        lease_until=lifecycle.lease_end(tx.now, queue.lease_seconds, worker.lease_until),
    )
    if claimed is None:
        return ItemClaimed(item=None)
    tx.run(sql.insert_attempt, id=claimed.id)
    answer = _claimed(tx, claimed.id)
    if answer.item is not None:
        _record(tx, caller.actor, "claimed", answer.item)
    return answer


def _claimed(tx: Transaction, item_id: int) -> ItemClaimed:
    until = service.locked(tx, item_id).lease_until or tx.now
    seconds = max(0.0, (until - tx.now).total_seconds())
    return ItemClaimed(item=service.get(tx, item_id), lease_seconds=seconds)


def add(tx: Transaction, caller: JobCaller, queue_name: str, wanted: ItemContent) -> Item:
    """A running job puts in work for others."""
    _worker(tx, caller)
    queue = queues.by_name(tx, queue_name)
    fields = {field: getattr(wanted, field) for field in wanted.__struct_fields__}
    return service.create(tx, caller.actor, ItemCreate(queue_id=queue.id, **fields))


def complete(
    tx: Transaction, caller: RobotCaller | JobCaller, item_id: int, wanted: ItemComplete
) -> Item:
    service.check_size(wanted.result, "result")
    outcome = Outcome(status="completed", result=wanted.result)
    return _finish(tx, caller, item_id, wanted.attempt, outcome)


def fail(tx: Transaction, caller: RobotCaller | JobCaller, item_id: int, wanted: ItemFail) -> Item:
    """An application error is tried again while the queue allows; a business error is final."""
    outcome = Outcome(
        status="failed", error_type=wanted.error_type, error_message=wanted.error_message
    )
    return _finish(tx, caller, item_id, wanted.attempt, outcome)


def renew(
    tx: Transaction, caller: RobotCaller | JobCaller, item_id: int, wanted: ItemRenew
) -> Item:
    worker, state = _worker(tx, caller), service.locked(tx, item_id)
    lifecycle.is_repeated(
        state, _recorded(tx, item_id, wanted.attempt), worker, wanted.attempt, None
    )
    job_lease = worker.lease_until if state.job_id == worker.job_id else None
    until = lifecycle.lease_end(tx.now, state.lease_seconds, job_lease)
    tx.run(sql.renew, id=item_id, lease_until=until)
    return service.get(tx, item_id)


def renew_all(tx: Transaction) -> None:
    for queue in tx.all(sql.queues_at_work, _AtWork):
        until = lifecycle.lease_end(tx.now, queue.lease_seconds, None)
        tx.run(sql.renew_of_queue, queue_id=queue.id, lease_until=until)


def give_back(tx: Transaction, job_id: int) -> None:
    """When a job ends, the items it still holds go to somebody else, or are given up."""
    for held in tx.all(sql.of_job, Id, job_id=job_id):
        state = service.locked(tx, held.id)
        if state.job_id == job_id and state.status is ItemStatus.IN_PROGRESS:
            _return(tx, state, f"Job {job_id} ended without finishing it.")


def expire(tx: Transaction, limit: int) -> int:
    """Take back what nobody renewed, give up what nobody took in time; return how many."""
    touched = 0
    for held in tx.all(sql.lease_ended, Id, limit=limit):
        state = service.locked(tx, held.id)
        if lifecycle.is_silent(state, tx.now):  # else somebody was quicker
            _return(tx, state, "Its lease ended, and nobody had finished it.")
            touched += 1
    for waiting in tx.all(sql.too_late, Id, limit=limit):
        state = service.locked(tx, waiting.id)
        if lifecycle.is_late(state, tx.now):
            _give_up(tx, state, "Its deadline passed.")
            touched += 1
    return touched


def _finish(
    tx: Transaction,
    caller: RobotCaller | JobCaller,
    item_id: int,
    attempt: int,
    outcome: Outcome,
) -> Item:
    worker, state = _worker(tx, caller), service.locked(tx, item_id)
    recorded = _recorded(tx, item_id, attempt)
    if lifecycle.is_repeated(state, recorded, worker, attempt, outcome):
        return service.get(tx, item_id)
    if outcome.status == "completed":
        to = Next(ItemStatus.COMPLETED, state.retries)
    else:
        to = lifecycle.after_failure(state, outcome.error_type or ErrorType.APPLICATION)
    _end(tx, state, outcome)
    service.move(tx, state, to, outcome)
    item = service.get(tx, item_id)
    metadata = {"error_type": outcome.error_type, "error_message": outcome.error_message}
    _record(tx, caller.actor, outcome.status, item, metadata)
    return item


def _return(tx: Transaction, state: State, why: str) -> None:
    to = lifecycle.after_return(state)
    said = Outcome(status="returned", error_message=why)
    _end(tx, state, said)
    service.move(tx, state, to, said if to.status is ItemStatus.ABANDONED else None)
    deed = "abandoned" if to.status is ItemStatus.ABANDONED else "returned"
    _record(tx, SYSTEM, deed, service.get(tx, state.id), {"why": why})


def _give_up(tx: Transaction, state: State, why: str) -> None:
    said = Outcome(status="abandoned", error_message=why)
    service.move(tx, state, Next(ItemStatus.ABANDONED, state.retries), said)
    _record(tx, SYSTEM, "abandoned", service.get(tx, state.id), {"why": why})


def _end(tx: Transaction, state: State, outcome: Outcome) -> None:
    tx.run(
        sql.end_attempt,
        id=state.id,
        attempt=state.attempt,
        status=outcome.status,
        error_type=outcome.error_type,
        error_message=outcome.error_message,
    )


def _worker(tx: Transaction, caller: RobotCaller | JobCaller) -> Worker:
    """Who asks, one request at a time; a job cannot end before the request has."""
    if isinstance(caller, RobotCaller):
        robots.hold(tx, caller.id)
        at_work = tx.maybe(sql.worker_of_robot, Worker, id=caller.id)
        return at_work or Worker(robot_id=caller.id)
    found = tx.maybe(sql.worker_of_job, Worker, id=caller.id, attempt=caller.attempt)
    if found is None:
        raise Unauthenticated("This job has ended, and its token with it.")
    return found


def _recorded(tx: Transaction, item_id: int, attempt: int) -> Recorded | None:
    return tx.maybe(sql.recorded, Recorded, id=item_id, attempt=attempt)


def _record(
    tx: Transaction,
    actor: Actor,
    deed: str,
    item: Item,
    metadata: dict[str, Any] | None = None,
) -> None:
    audit.record(
        tx,
        actor,
        f"queue_item.{deed}",
        entity_id=item.id,
        name=service.display(item),
        metadata={"queue_id": item.queue_id, "attempt": item.attempt, "job_id": item.job_id}
        | (metadata or {}),
    )
