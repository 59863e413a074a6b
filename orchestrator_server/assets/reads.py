"""Running jobs read assets, and their robots learn which secrets to mask in what they send.

A robot gets the values as its attempt has read them, and no later ones: of those that were
replaced since, sealed copies are kept until the log of the attempt is closed.
"""

import msgspec

from orchestrator_server import names
from orchestrator_server.access.callers import JobCaller, RobotCaller
from orchestrator_server.assets.service import Stored, place, sql
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, Forbidden, Unauthenticated
from orchestrator_server.grants import service as grants
from orchestrator_server.jobs import attempts
from orchestrator_server.jobs.lifecycle import LOG_STAYS_OPEN
from orchestrator_server.sealing import Sealer, key_id_of
from sdk.contract.assets import AssetValue
from sdk.contract.runner import SecretsRead


class _Read(msgspec.Struct, frozen=True):
    asset_id: int
    sealed: str


class _Replaced(_Read, frozen=True):
    id: int


class _Count(msgspec.Struct, frozen=True):
    count: int


def read(tx: Transaction, sealer: Sealer, job: JobCaller, name: str) -> AssetValue:
    """The plain value for a running job; reads of secrets are in the audit trail.

    Raises NotFound without the asset, Forbidden if the job's process or robot may not read it.
    """
    reader = tx.maybe(sql.reader, grants.Job, id=job.id, attempt=job.attempt)
    if reader is None:
        raise Unauthenticated("This job has ended, and its token with it.")
    missing = f"There is no asset {name}."
    stored = tx.one(sql.share, Stored, missing=missing, name_key=names.key(name))
    if stored.robot_id not in (None, reader.robot_id):
        raise Forbidden(f"Asset {stored.name} is for the jobs of another robot.")
    value = stored.value
    if stored.sealed is not None:
        if not stored.any_process:
            grants.check(tx, stored.id, stored.name, reader)
        value = sealer.open(stored.sealed, place(stored.id))
        _note_read(tx, job, stored)
    return AssetValue(name=stored.name, type=stored.type, value=value, username=stored.username)


def record_refusal(tx: Transaction, job: JobCaller, name: str) -> None:
    audit.record(tx, job.actor, "asset.read_refused", name=name, metadata={"job_id": job.id})


def _note_read(tx: Transaction, job: JobCaller, stored: Stored) -> None:
    read = {"job_id": job.id, "attempt": job.attempt}
    tx.run(sql.note_read, asset_id=stored.id, value_version=stored.value_version, **read)
    audit.record(tx, job.actor, "asset.read", entity_id=stored.id, name=stored.name, metadata=read)


def for_robot(
    tx: Transaction, sealer: Sealer, robot: RobotCaller, job_id: int, attempt: int
) -> tuple[SecretsRead, bool]:
    """The values that an attempt has read, for the robot that has it, and whether they are sent
    for the first time. Raises Conflict once the log of the attempt is closed."""
    recorded = attempts.late_writer_of(tx, robot, job_id, attempt)
    found = values(tx, sealer, job_id, attempt)
    is_first = bool(found) and recorded.secrets_sent_at is None
    return SecretsRead(count=len(found), values=found), is_first


def note_sent(tx: Transaction, robot: RobotCaller, job_id: int, attempt: int) -> None:
    """Record, once for each attempt, that its robot gets the secrets that it has read."""
    if attempts.note_secrets_sent(tx, job_id, attempt):
        metadata = {"attempt": attempt}
        audit.record(
            tx, robot.actor, "job.secrets_sent", entity_id=job_id, name=str(job_id),
            metadata=metadata,
        )  # fmt: skip


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
