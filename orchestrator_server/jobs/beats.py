"""The verbs by which a robot says that an attempt goes on, and hears whether it may.

Plain units of work.
"""

from typing import Any

import msgspec

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.assets import reads as secrets
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs import lifecycle
from orchestrator_server.jobs.service import sql
from sdk.contract.runner import JobAction, JobBeat
from sdk.contract.settings import JobSettings


class _Life(msgspec.Struct, frozen=True):
    life: str | None


def beat(
    tx: Transaction, robot: RobotCaller, jobs: list[JobBeat] | None, settings: JobSettings
) -> list[JobAction]:
    """Renew the leases of the attempts a robot names; say what to do with each."""
    lease_until = lifecycle.lease_end(tx.now, settings.lease_seconds)
    if jobs is None:
        tx.run(sql.renew_all_of_robot, robot_id=robot.id, lease_until=lease_until)
        return []
    actions = []
    for named in jobs:
        whose = {"id": named.id, "attempt": named.attempt, "robot_id": robot.id}
        if not _is_of_this_life(tx, whose, named.life):
            actions.append(JobAction(id=named.id, attempt=named.attempt, action="forget"))
            continue
        tx.run(sql.renew, **whose, lease_until=lease_until)
        secrets_read = _save_progress(tx, whose, named)
        job = tx.maybe(sql.lock_state, lifecycle.State, id=named.id)
        action = _action(robot, job, named.id, named.attempt)
        actions.append(msgspec.structs.replace(action, secrets_read=secrets_read))
    return actions


def _save_progress(tx: Transaction, whose: dict[str, Any], named: JobBeat) -> int:
    """Not of an attempt that has read more secrets than are covered in it; then, how many."""
    if named.progress is None:
        return 0
    if named.secrets_known is not None:
        read = secrets.count(tx, named.id, named.attempt)
        if read > named.secrets_known:
            return read
    tx.run(sql.save_progress, **whose, progress=Json(named.progress))
    return 0


def _is_of_this_life(tx: Transaction, whose: dict[str, Any], life: str | None) -> bool:
    """Whether an attempt may be started by this life of an agent: the first to ask may."""
    if life is None:
        return True  # it does not start it yet, or is older than the question
    tx.run(sql.begin_life, **whose, life=life)
    found = tx.maybe(sql.life, _Life, **whose)
    return found is None or found.life == life


def order(tx: Transaction, robot: RobotCaller, job_id: int, attempt: int) -> JobAction:
    """What a robot should do with an attempt, as an answer to a beat says it; renews nothing."""
    return _action(robot, tx.maybe(sql.state, lifecycle.State, id=job_id), job_id, attempt)


def _action(
    robot: RobotCaller, job: lifecycle.State | None, job_id: int, attempt: int
) -> JobAction:
    action = lifecycle.action_for(job, attempt, robot.id)
    stop = action == "continue" and job is not None and job.stop_requested_at is not None
    return JobAction(id=job_id, attempt=attempt, action=action, stop_requested=stop)
