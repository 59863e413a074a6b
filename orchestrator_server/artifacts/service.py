"""The verbs of an artifact: be left by a running job, be listed, be fetched."""

import msgspec

from orchestrator_server import names
from orchestrator_server.access.callers import JobCaller
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.jobs import attempts
from orchestrator_server.jobs import service as jobs
from sdk.contract.jobs import Artifact

sql = queries.load(__package__)

MOST = 200  # of one attempt


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What has arrived, before it has a row."""

    name: str
    sha256: str
    size_bytes: int
    file_path: str


class _Place(msgspec.Struct, frozen=True):
    file_path: str


class _Count(msgspec.Struct, frozen=True):
    count: int


def check(tx: Transaction, job: JobCaller, name: str) -> None:
    """Whether this job may leave a file of that name now, before it sends it."""
    attempts.running(tx, job)
    name = names.clean_plain(name, what="artifact")
    whose = {"job_id": job.id, "attempt": job.attempt}
    [count] = tx.all(sql.count, _Count, **whose)
    is_there = tx.maybe(sql.of_name, _Place, name_key=names.key(name), **whose)
    if count.count >= MOST and is_there is None:
        raise Conflict(f"An attempt leaves at most {MOST} artifacts; put more into one archive.")


def keep(tx: Transaction, job: JobCaller, left: Left) -> tuple[Artifact, str | None]:
    """The artifact, and the file of the one it replaces: the last one of a name counts."""
    check(tx, job, left.name)
    name = names.clean_plain(left.name, what="artifact")
    where = {"job_id": job.id, "attempt": job.attempt, "name_key": names.key(name)}
    before = tx.maybe(sql.of_name, _Place, **where)
    values = {"sha256": left.sha256, "size_bytes": left.size_bytes, "file_path": left.file_path}
    kept = tx.one(sql.keep, Artifact, missing="It was not kept.", name=name, **where, **values)
    audit.record(tx, job.actor, "artifact.created", after=kept, name=name)
    return kept, before.file_path if before else None


def list_of(tx: Transaction, job_id: int) -> list[Artifact]:
    jobs.get(tx, job_id)
    return tx.all(sql.list, Artifact, job_id=job_id)


def file_of(tx: Transaction, job_id: int, artifact_id: int) -> Left:
    missing = f"Job {job_id} has no artifact {artifact_id}."
    return tx.one(sql.file, Left, missing=missing, job_id=job_id, id=artifact_id)
