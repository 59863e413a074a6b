"""What a heartbeat does, in one unit; one that only says "I am here" asks the database nothing."""

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.jobs import beats
from orchestrator_server.processes import changes
from orchestrator_server.robots import service as robots
from sdk.contract.runner import Heartbeat, JobAction, ToPrepare
from sdk.contract.settings import JobSettings

Answer = tuple[list[JobAction], list[ToPrepare]]


async def take(
    database: Database,
    robot: RobotCaller,
    beat: Heartbeat,
    settings: JobSettings,
    latest: changes.Latest,
) -> Answer:
    if beat.jobs == [] and beat.machine_info is None:
        if not latest.may_be_after(beat.changes_since):
            return [], []
        return [], await database.read(changes.since, robot, beat.changes_since)
    return await database.write(_take, robot, beat, settings)


def _take(tx: Transaction, robot: RobotCaller, beat: Heartbeat, settings: JobSettings) -> Answer:
    robots.hold(tx, robot.id)  # before its jobs, as claims and reports do
    if beat.machine_info is not None:
        robots.tell(tx, robot, beat.machine_info)
    actions = beats.beat(tx, robot, beat.jobs, settings)
    return actions, changes.since(tx, robot, beat.changes_since)
