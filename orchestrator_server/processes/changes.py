"""What has changed lately, for robots that prepare for it before there is a job."""

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.db.rows import utc
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.processes.service import sql
from sdk.contract.runner import AssignedPackage, ToPrepare

MOST = 20
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # before it a calendar may end
OVERLAP = timedelta(seconds=10)  # a change may be committed after a beat that is later than it


class _Changed(AssignedPackage, frozen=True, kw_only=True):
    script_path: str


def since(tx: Transaction, robot: RobotCaller, moment: datetime | None) -> list[ToPrepare]:
    """Of the processes that this robot may be given jobs of; some of them a second time."""
    if moment is None:
        return []
    known = max(utc(moment), LONG_AGO)
    found = tx.all(sql.changed, _Changed, robot_id=robot.id, since=known - OVERLAP, limit=MOST)
    return [
        ToPrepare(
            package=msgspec.convert(changed, AssignedPackage, from_attributes=True),
            script_path=changed.script_path,
        )
        for changed in found
    ]
