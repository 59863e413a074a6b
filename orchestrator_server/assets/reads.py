"""Which secrets an attempt has read: its robot covers them in all that it sends."""

import msgspec

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.assets.service import place, sql
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.jobs import attempts
from orchestrator_server.sealing import Sealer
from sdk.contract.runner import SecretsRead


class _Read(msgspec.Struct, frozen=True):
    asset_id: int
    sealed: str | None


class _Count(msgspec.Struct, frozen=True):
    count: int


def told(
    tx: Transaction, sealer: Sealer, robot: RobotCaller, job_id: int, attempt: int
) -> SecretsRead:
    """To the robot that was granted the attempt, as they are now."""
    attempts.writer_of(tx, robot, job_id, attempt)
    return SecretsRead(
        count=_count(tx, job_id, attempt), values=values(tx, sealer, job_id, attempt)
    )


def values(tx: Transaction, sealer: Sealer, job_id: int, attempt: int) -> list[str]:
    reads = tx.all(sql.secrets_read, _Read, job_id=job_id, attempt=attempt)
    return [str(sealer.open(r.sealed, place(r.asset_id))) for r in reads if r.sealed is not None]


def must_be_known(tx: Transaction, job_id: int, attempt: int, known: int | None) -> None:
    """Conflict, if what is sent may show a secret that its sender does not know of."""
    if known is not None and (count := _count(tx, job_id, attempt)) != known:
        raise Conflict(
            f"Attempt {attempt} of job {job_id} has read {count} secrets, and {known} of them are "
            "covered in what was sent, so nothing of it is kept: ask for them, and send it again.",
            kind="secrets-read",
        )


def _count(tx: Transaction, job_id: int, attempt: int) -> int:
    [found] = tx.all(sql.count_read, _Count, job_id=job_id, attempt=attempt)
    return found.count
