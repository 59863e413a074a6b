"""What has changed lately, for robots that prepare for it before there is a job."""

from datetime import UTC, datetime, timedelta

import msgspec

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.db.rows import utc
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.processes.service import sql
from sdk.contract.runner import AssignedPackage, ToPrepare

MOST = 20
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # before it a calendar may end
OVERLAP = timedelta(seconds=10)  # a change may be committed after a beat that is later than it


class _Changed(AssignedPackage, frozen=True, kw_only=True):
    script_path: str
    may_build: bool


class Latest:
    """When a process was last changed, as it was a second ago: most beats need not ask more."""

    def __init__(self) -> None:
        self._moment: datetime | None = None  # not known
        self._generation = 0

    async def refresh(self, database: Database) -> None:
        self.forget()
        generation = self._generation
        moment = await database.read(_latest)
        if generation == self._generation:  # else it may have been read before a change here
            self._moment = moment

    def forget(self) -> None:
        self._moment = None
        self._generation += 1

    def may_be_after(self, moment: datetime | None) -> bool:
        return moment is not None and (self._moment is None or self._moment > _from(moment))


class _Moment(msgspec.Struct, frozen=True):
    updated_at: datetime | None


def since(tx: Transaction, robot: RobotCaller, moment: datetime | None) -> list[ToPrepare]:
    """Of the processes that this robot may be given jobs of; some of them a second time."""
    if moment is None:
        return []
    found = tx.all(sql.changed, _Changed, robot_id=robot.id, since=_from(moment), limit=MOST)
    return [
        ToPrepare(
            package=msgspec.convert(changed, AssignedPackage, from_attributes=True),
            script_path=changed.script_path,
            may_build=changed.may_build,
        )
        for changed in found
    ]


def _from(moment: datetime) -> datetime:
    return max(utc(moment), LONG_AGO) - OVERLAP


def _latest(tx: Transaction) -> datetime:
    [latest] = tx.all(sql.latest_change, _Moment)
    return latest.updated_at or LONG_AGO
