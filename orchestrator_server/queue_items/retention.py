"""The verb that forgets items which ended long ago."""

from datetime import timedelta

from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.queue_items.service import Id, sql


def forget_items(tx: Transaction, age: timedelta, limit: int) -> int:
    """Delete the oldest items that ended before `age` ago, with their attempts; how many."""
    before = tx.now - age
    old = [found.id for found in tx.all(sql.ended_before, Id, before=before, limit=limit)]
    gone = [found.id for found in tx.all(sql.forget, Id, ids=Json(old), before=before)]
    if gone:
        metadata = {"items": len(gone), "from": min(gone), "to": max(gone)}
        audit.record(tx, SYSTEM, "queue_items.deleted", metadata=metadata)
    return len(gone)
