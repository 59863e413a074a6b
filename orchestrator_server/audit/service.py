"""Who did what, written in the same transaction as the deed."""

from datetime import datetime
from typing import Any

import msgspec

from orchestrator_server import names
from orchestrator_server.access.callers import Actor
from orchestrator_server.audit.sentences import sentence
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json, utc
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Invalid
from sdk.contract.audit import ActionType, AuditDetails, AuditEvent, AuditPage, AuditQuery

sql = queries.load(__package__)

# The seed's vocabulary, by the past tense of our own; what is not here is a modification.
_TYPES = {
    "created": ActionType.CREATED,
    "published": ActionType.CREATED,
    "registered": ActionType.CREATED,
    "deleted": ActionType.DELETED,
    "claimed": ActionType.STATUS_CHANGED,
    "completed": ActionType.STATUS_CHANGED,
    "failed": ActionType.STATUS_CHANGED,
    "canceled": ActionType.STATUS_CHANGED,
    "requeued": ActionType.STATUS_CHANGED,
    "login": ActionType.LOGIN,
    "logout": ActionType.LOGOUT,
}


COUNTED = 2_000
NEAR = 1_000  # so many events are skipped as fast as looked up


class _Total(msgspec.Struct, frozen=True):
    total: int


class _Ends(msgspec.Struct, frozen=True):
    first_seq: int = 0
    last_seq: int = 0
    linked_id: int | None = None


def record(
    tx: Transaction,
    actor: Actor,
    action: str,
    *,
    before: Any = None,
    after: Any = None,
    entity_id: int | None = None,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Record `action`, "<noun>.<past tense>", which has its sentence in `sentences`. `before` and
    `after` are Resources: what has a Resource has no secret in it."""
    entity_type, _, deed = action.partition(".")
    entity = after if after is not None else before
    identity = entity_id if entity_id is not None else getattr(entity, "id", None)
    name = None if name is None else names.readable(name)
    actor = msgspec.structs.replace(actor, name=names.readable(actor.name))
    details = metadata or {}
    tx.run(
        sql.insert,
        actor_type=actor.type,
        actor_user_id=actor.user_id,
        actor_username=actor.name,
        action=action,
        action_type=_TYPES.get(deed, ActionType.MODIFIED),
        entity_type=entity_type,
        entity_id=identity,
        entity_name=name,
        message=sentence(action, actor, name or str(identity or ""), details),
        ip_address=actor.ip_address,
        user_agent=actor.user_agent,
        before=Json(before),
        after=Json(after),
        metadata=Json(details),
    )


def list_events(tx: Transaction, wanted: AuditQuery) -> AuditPage:
    """A page, newest first. A filtered total is counted up to COUNTED, an unfiltered one exact."""
    filters = _filters(wanted)
    if not any(value is not None for value in filters.values()):
        return _unfiltered(tx, wanted)
    offset = (wanted.page - 1) * wanted.page_size
    items = tx.all(sql.list, AuditEvent, limit=wanted.page_size, offset=offset, **filters)
    [count] = tx.all(sql.count, _Total, cap=COUNTED, **filters)
    return AuditPage(
        items=items,
        total=count.total,
        total_is_exact=count.total < COUNTED,
        page=wanted.page,
        page_size=wanted.page_size,
    )


def _unfiltered(tx: Transaction, wanted: AuditQuery) -> AuditPage:
    """Everything is numbered by the chain, so neither the total nor a late page is counted out."""
    ends = tx.maybe(sql.numbering, _Ends) or _Ends()
    [newer] = tx.all(sql.after_links, _Total, linked_id=ends.linked_id or 0)
    offset = (wanted.page - 1) * wanted.page_size
    if offset < newer.total + NEAR:
        items = tx.all(sql.list, AuditEvent, limit=wanted.page_size, offset=offset)
    else:
        seq = ends.last_seq - (offset - newer.total)
        items = tx.all(sql.deep, AuditEvent, limit=wanted.page_size, seq=seq)
    return AuditPage(
        items=items,
        total=ends.last_seq - ends.first_seq + newer.total,
        page=wanted.page,
        page_size=wanted.page_size,
    )


def _filters(wanted: AuditQuery) -> dict[str, Any]:
    """Each under its own name, whichever of its names was used."""
    is_type = wanted.action in set(ActionType)
    from_time = _utc(wanted.from_time or wanted.from_)
    to_time = _utc(wanted.to_time or wanted.to)
    if from_time and to_time and from_time > to_time:
        raise Invalid("The time to begin with is after the time to end with.", pointer="#/to_time")
    return {
        "from_time": from_time,
        "to_time": to_time,
        "entity_type": wanted.entity_type,
        "entity_id": wanted.entity_id,
        "action": None if is_type else wanted.action,
        "action_type": wanted.action_type or (wanted.action if is_type else None),
        "user_id": wanted.user_id,
        "username": wanted.username or wanted.user,
        "pattern": names.pattern(wanted.search or wanted.q),
    }


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else utc(time)


def of_entity(tx: Transaction, entity_type: str, entity_id: int) -> list[AuditDetails]:
    """The first 1,000 events of one thing, oldest first, without what was before and after."""
    entity = {"entity_type": entity_type, "entity_id": entity_id}
    return tx.all(sql.of_entity, AuditDetails, limit=1000, **entity)


def get(tx: Transaction, event_id: int) -> AuditDetails:
    missing = f"There is no audit event {event_id}."
    return tx.one(sql.get, AuditDetails, missing=missing, id=event_id)
