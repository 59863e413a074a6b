"""Which secrets an attempt has read: its robot covers them in all that it sends.

Also as they were, if they were changed since: sealed copies, until its log is closed.
"""

import msgspec

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.assets.service import place, sql
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.jobs import attempts
from orchestrator_server.jobs.lifecycle import LOG_STAYS_OPEN
from orchestrator_server.sealing import Sealer, key_id_of
from sdk.contract.runner import SecretsRead


class _Read(msgspec.Struct, frozen=True):
    asset_id: int
    sealed: str


class _Replaced(_Read, frozen=True):
    id: int


class _Count(msgspec.Struct, frozen=True):
    count: int


def told(
    tx: Transaction, sealer: Sealer, robot: RobotCaller, job_id: int, attempt: int
) -> SecretsRead:
    """To the robot that was granted the attempt."""
    attempts.writer_of(tx, robot, job_id, attempt)
    return SecretsRead(count=count(tx, job_id, attempt), values=values(tx, sealer, job_id, attempt))


def values(tx: Transaction, sealer: Sealer, job_id: int, attempt: int) -> list[str]:
    reads = tx.all(sql.secrets_read, _Read, job_id=job_id, attempt=attempt)
    return [sealer.open(read.sealed, place(read.asset_id)) for read in reads]


def must_be_known(tx: Transaction, job_id: int, attempt: int, known: int | None) -> None:
    """Conflict, if what is sent may show a secret that its sender does not know of."""
    if known is not None and (read := count(tx, job_id, attempt)) > known:
        raise Conflict(
            f"Attempt {attempt} of job {job_id} has read {read} secrets, and {known} of them are "
            "covered in what was sent, so nothing of it is kept: ask for them, and send it again.",
            kind="secrets-read",
        )


def count(tx: Transaction, job_id: int, attempt: int) -> int:
    [found] = tx.all(sql.count_read, _Count, job_id=job_id, attempt=attempt)
    return found.count


def forget_replaced(tx: Transaction) -> None:
    """Of attempts whose logs are closed."""
    tx.run(sql.forget_replaced, before=tx.now - LOG_STAYS_OPEN)


def replaced_keys(tx: Transaction) -> set[str]:
    return {key_id_of(row.sealed) for row in tx.all(sql.replaced, _Replaced)}


def rewrap_replaced(tx: Transaction, sealer: Sealer) -> None:
    """All at once: there are as many as jobs run while one of their secrets is changed."""
    for row in tx.all(sql.replaced, _Replaced):
        sealed = sealer.rewrap(row.sealed, place(row.asset_id))
        tx.run(sql.move_replaced, id=row.id, sealed=sealed)
