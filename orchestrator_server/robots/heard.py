"""Which robots were heard since the last write of it: a beat alone costs no write of its own.

What is lost with a server, the next beat says again.
"""

from datetime import datetime

from orchestrator_server.access.callers import RobotCaller
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.machines import service as machines
from orchestrator_server.robots import service


class Heard:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._robots: dict[int, int | None] = {}  # and of which machine each is
        self._at: datetime | None = None  # the last of them

    def note(self, robot: RobotCaller, at: datetime) -> None:
        self._robots[robot.id] = robot.machine_id
        self._at = at

    async def flush(self) -> None:
        """Write it down, all in one: once a second, and before somebody asks who is there."""
        robots, at = self._robots, self._at
        if robots and at is not None:
            self._robots = {}
            try:
                await self._database.urgent.write(_write, robots, at)
            except BaseException:
                self._robots = robots | self._robots
                raise


def _write(tx: Transaction, robots: dict[int, int | None], at: datetime) -> None:
    service.heard(tx, sorted(robots), at)
    machines.heard(tx, sorted({machine for machine in robots.values() if machine}), at)
