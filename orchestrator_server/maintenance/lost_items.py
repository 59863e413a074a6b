"""Looks after queue items that nobody finished, or took, in time."""

from orchestrator_server.db.transaction import Transaction
from orchestrator_server.queue_items import claims

BATCH = 100


def run_once(tx: Transaction) -> int:
    """Take back or give up what is due; return how many items were touched."""
    return claims.expire(tx, BATCH)
