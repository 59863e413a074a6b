"""Looks after waiting jobs that nobody began in time."""

from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs import attempts

BATCH = 100


def run_once(tx: Transaction) -> int:
    """Fail the jobs whose start-by time has passed; return how many there were."""
    return len(attempts.expire(tx, BATCH))
