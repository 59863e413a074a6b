"""What a robot is given with an attempt: all it needs, and nothing that can change later."""

from collections.abc import Callable

import msgspec

from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs.service import sql
from sdk.contract.jobs import JobStatus
from sdk.contract.processes import Start
from sdk.contract.runner import AssignedPackage, AssignedProcess, Assignment
from sdk.contract.settings import JobSettings

JobToken = Callable[[int, int], str]  # from a job's id and attempt


class _Granted(msgspec.Struct, frozen=True):
    id: int
    status: JobStatus
    attempt: int
    claim_key: str | None
    parameters: dict[str, object]
    timeout_seconds: int | None
    process_id: int
    process_name: str
    script_path: str
    package_id: int
    process_version: int
    start: Start
    preload: list[str]
    package_name: str
    package_version: str
    sha256: str
    size_bytes: int
    has_run: bool


def make(
    tx: Transaction, job_id: int, settings: JobSettings, token: JobToken, *, redelivered: bool
) -> Assignment:
    """The current attempt of a job, as it is handed to the robot that was granted it."""
    job = tx.one(sql.granted, _Granted, missing=f"There is no job {job_id}.", id=job_id)
    if not job.has_run:  # from now on, robots may build for it ahead
        tx.run(sql.note_run, package_id=job.package_id, script_path=job.script_path)
    return Assignment(
        id=job.id,
        status=job.status,
        attempt=job.attempt,
        claim_key=job.claim_key,
        parameters=job.parameters,
        process=AssignedProcess(
            id=job.process_id,
            name=job.process_name,
            script_path=job.script_path,
            package_id=job.package_id,
            version=job.process_version,
            start=job.start,
            preload=job.preload,
        ),
        package=AssignedPackage(
            id=job.package_id,
            name=job.package_name,
            version=job.package_version,
            sha256=job.sha256,
            size_bytes=job.size_bytes,
        ),
        timeout_seconds=job.timeout_seconds,
        lease_seconds=settings.lease_seconds,
        redelivered=redelivered,
        job_token=token(job.id, job.attempt),
    )
