"""After a time in which nobody could be heard, silence is no sign of loss."""

from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs import attempts
from orchestrator_server.queue_items import claims
from sdk.contract.settings import JobSettings


def begin_anew(tx: Transaction, settings: JobSettings) -> None:
    """A whole new lease for whoever has a job or an item."""
    attempts.renew_all(tx, settings)
    claims.renew_all(tx)
