"""What a heartbeat does, in one unit; one that only says "I am here" asks the database nothing."""

from datetime import datetime
from typing import NamedTuple

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.jobs import beats
from orchestrator_server.processes import changes
from orchestrator_server.robots import service as robots
from sdk.contract.runner import Heartbeat, JobAction, ToPrepare
from sdk.contract.settings import JobSettings


class Answer(NamedTuple):
    actions: list[JobAction]
    prepare: list[ToPrepare]
    is_relabelled: bool = False  # it may be given other jobs now


async def take(
    database: Database,
    robot: RobotCaller,
    beat: Heartbeat,
    settings: JobSettings,
    latest: changes.Latest,
) -> Answer:
    since = beat.changes_since if beat.supports_may_build else None
    if beat.jobs == [] and beat.machine_info is None:
        if not latest.may_be_after(since):
            return Answer([], [])
        return Answer([], await database.read(changes.since, robot, since))
    return await database.write(_take, robot, beat, since, settings)


def _take(
    tx: Transaction,
    robot: RobotCaller,
    beat: Heartbeat,
    since: datetime | None,
    settings: JobSettings,
) -> Answer:
    robots.hold_caller(tx, robot)  # before its jobs, as claims and reports do
    info = beat.machine_info
    is_relabelled = info is not None and robots.tell(tx, robot, info)
    actions = beats.beat(tx, robot, beat.jobs, settings)
    return Answer(actions, changes.since(tx, robot, since), is_relabelled)
