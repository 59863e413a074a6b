"""Looks after jobs whose robot has fallen silent."""

from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs import attempts

BATCH = 100


def run_once(tx: Transaction) -> int:
    """End the attempts whose lease is over; return how many jobs were touched."""
    return len(attempts.lose(tx, BATCH))
