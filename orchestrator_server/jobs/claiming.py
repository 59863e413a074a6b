"""The one verb that gives a job to a robot. A plain unit of work."""

import msgspec

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict
from orchestrator_server.jobs import assignments, lifecycle
from orchestrator_server.jobs.assignments import JobToken
from orchestrator_server.jobs.attempts import record
from orchestrator_server.jobs.service import sql
from orchestrator_server.jobs.wants import Taker
from orchestrator_server.processes import service as processes
from orchestrator_server.robots import service as robots
from sdk.contract.runner import NextJob, NextJobAnswer
from sdk.contract.settings import JobSettings
from sdk.failpoints import failpoint

TRIES = 3


class _Current(msgspec.Struct, frozen=True):
    id: int
    attempt: int
    claim_key: str | None
    agent_instance: str | None


class _Claimed(msgspec.Struct, frozen=True):
    id: int
    attempt: int
    process_id: int
    concurrency_limit: int | None


class _Key(msgspec.Struct, frozen=True):
    job_id: int


class _Count(msgspec.Struct, frozen=True):
    count: int


def claim(
    tx: Transaction,
    robot: RobotCaller,
    held: robots.Held,
    wanted: NextJob,
    settings: JobSettings,
    token: JobToken,
) -> NextJobAnswer:
    """The robot's current attempt again, else the next job, else nothing.

    A robot, which this unit holds, has one attempt at a time, and a claim key is granted one
    attempt ever: so a request that is repeated, late or doubled takes nothing twice.
    """
    current = tx.maybe(sql.current_of_robot, _Current, robot_id=robot.id)
    if current is not None:
        _must_be_the_same_agent(robot, current, wanted)
        return NextJobAnswer(
            job=assignments.make(tx, current.id, settings, token, redelivered=True)
        )
    key = wanted.claim_key
    if key is not None and tx.all(sql.key_used, _Key, robot_id=robot.id, claim_key=key):
        return NextJobAnswer(job=None, key_used=True)
    if held.is_paused:
        return NextJobAnswer(job=None)
    claimed = _take(tx, robot, held.labels, settings)
    if claimed is None:
        return NextJobAnswer(job=None)
    tx.run(
        sql.insert_attempt,
        job_id=claimed.id,
        attempt=claimed.attempt,
        robot_id=robot.id,
        claim_key=key,
        agent_instance=wanted.agent_instance,
    )
    assignment = assignments.make(tx, claimed.id, settings, token, redelivered=False)
    record(tx, robot, "job.claimed", claimed.id, claimed.attempt)
    failpoint("claim.before_commit")
    return NextJobAnswer(job=assignment)


def claim_or_wait(
    tx: Transaction, robot: RobotCaller, wanted: NextJob, settings: JobSettings, token: JobToken
) -> tuple[NextJobAnswer, Taker]:
    """Claim; and as what the robot waits, if there is no job."""
    held = robots.hold_caller(tx, robot)
    answer = claim(tx, robot, held, wanted, settings, token)
    return answer, Taker(robot.id, robot.machine_id, frozenset(held.labels), held.is_paused)


def _take(
    tx: Transaction, robot: RobotCaller, labels: list[str], settings: JobSettings
) -> _Claimed | None:
    for _ in range(TRIES):
        claimed = tx.maybe(
            sql.claim_next,
            _Claimed,
            robot_id=robot.id,
            machine_id=robot.machine_id,
            labels=Json(labels),
            lease_until=lifecycle.lease_end(tx.now, settings.lease_seconds),
        )
        if claimed is None or claimed.concurrency_limit is None:
            return claimed
        processes.hold(tx, claimed.process_id)
        [running] = tx.all(sql.running_of_process, _Count, process_id=claimed.process_id)
        if running.count <= claimed.concurrency_limit:
            return claimed
        tx.run(sql.unclaim, id=claimed.id, attempt=claimed.attempt)  # another robot was first
    return None


def _must_be_the_same_agent(robot: RobotCaller, current: _Current, wanted: NextJob) -> None:
    theirs, ours = current.agent_instance, wanted.agent_instance
    if theirs is not None and ours is not None and theirs != ours:
        raise Conflict(
            f"Another agent is running job {current.id} as robot {robot.name}; "
            "give this one a name of its own, or end that job first.",
            kind="robot-in-use",
        )
