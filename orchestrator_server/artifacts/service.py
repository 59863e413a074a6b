"""The verbs of an artifact: be left by a running job, be brought after it by its robot, be listed,
be fetched."""

from typing import NamedTuple

import msgspec

from orchestrator_server import names
from orchestrator_server.access.callers import JobCaller, RobotCaller
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.jobs import attempts
from orchestrator_server.jobs import service as jobs
from sdk.contract.jobs import Artifact

sql = queries.load(__package__)

FOLDER = "artifacts/"  # in the object store; in it, one for each job
MOST = 200  # of one attempt
MAX_BYTES = 64 * 1024 * 1024


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What has arrived, before it has a row."""

    name: str
    sha256: str
    size_bytes: int
    file_path: str  # JOB/NAME, below FOLDER


class _Kept(Artifact, frozen=True, kw_only=True):
    file_path: str

    def shown(self) -> Artifact:
        told = {name: getattr(self, name) for name in Artifact.__struct_fields__}
        return Artifact(**told)


class _File(msgspec.Struct, frozen=True):
    id: int
    file_path: str
    sha256: str


class _Job(msgspec.Struct, frozen=True):
    job_id: int


class _Count(msgspec.Struct, frozen=True):
    count: int


class Attempt(NamedTuple):
    """Whose artifact it is, and who brings it."""

    job_id: int
    number: int
    caller: JobCaller | RobotCaller


def check(tx: Transaction, of: Attempt, name: str) -> None:
    """Whether a file of that name may be left now, before it is sent."""
    if isinstance(of.caller, JobCaller):
        attempts.running(tx, of.caller)
    else:
        attempts.late_writer_of(tx, of.caller, of.job_id, of.number)
    name = names.clean_plain(name, what="artifact")
    whose = {"job_id": of.job_id, "attempt": of.number}
    [count] = tx.all(sql.count, _Count, **whose)
    is_there = tx.maybe(sql.of_name, _Kept, name_key=names.key(name), **whose)
    if count.count >= MOST and is_there is None:
        raise Conflict(f"An attempt leaves at most {MOST} artifacts; put more into one archive.")


def keep(tx: Transaction, of: Attempt, left: Left) -> tuple[Artifact, str | None]:
    """The artifact, and a file that nobody needs any more: the last one of a name counts, and the
    same one again is the one that is there."""
    check(tx, of, left.name)
    name = names.clean_plain(left.name, what="artifact")
    where = {"job_id": of.job_id, "attempt": of.number, "name_key": names.key(name)}
    before = tx.maybe(sql.of_name, _Kept, **where)
    if before is not None and (before.name, before.sha256) == (name, left.sha256):
        return before.shown(), left.file_path
    values = {"sha256": left.sha256, "size_bytes": left.size_bytes, "file_path": left.file_path}
    kept = tx.one(sql.keep, Artifact, missing="It was not kept.", name=name, **where, **values)
    audit.record(tx, of.caller.actor, "artifact.created", after=kept, name=name)
    return kept, before.file_path if before else None


def folders_of(tx: Transaction, job_ids: list[int]) -> list[str]:
    """Where, in the object store, those of these jobs that left anything have it."""
    jobs = tx.all(sql.with_artifacts, _Job, ids=Json(job_ids))
    return [f"{FOLDER}{job.job_id}/" for job in jobs]


def files_after(tx: Transaction, last_id: int) -> list[_File]:
    """The next ones of all there are, by id."""
    return tx.all(sql.files_after, _File, last_id=last_id, limit=1000)


def list_of(tx: Transaction, job_id: int) -> list[Artifact]:
    jobs.get(tx, job_id)
    return tx.all(sql.list, Artifact, job_id=job_id)


def file_of(tx: Transaction, job_id: int, artifact_id: int) -> Left:
    missing = f"Job {job_id} has no artifact {artifact_id}."
    return tx.one(sql.file, Left, missing=missing, job_id=job_id, id=artifact_id)
