"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.robots import (
    Robot,
    RobotCreate,
    RobotCreated,
    RobotPause,
    RobotQuery,
    RobotToken,
    RobotUpdate,
)


class RobotsCalls(Requests):
    def list_robots(self, query: RobotQuery | None = None) -> Listing[Robot]:
        """List robots, newest first."""
        return self._list("/api/robots", Robot, query or RobotQuery())

    async def create_robot(self, wanted: RobotCreate) -> RobotCreated:
        """Create a robot. The answer is the only one that carries its token."""
        return await self._change("POST", "/api/robots", RobotCreated, wanted)

    async def get_robot(self, robot_id: int) -> Robot:
        """Get one robot."""
        return await self._get(f"/api/robots/{robot_id}", Robot)

    async def update_robot(self, robot_id: int, wanted: RobotUpdate) -> Robot:
        """Change a robot: its name, machine, labels or credential."""
        return await self._change("PUT", f"/api/robots/{robot_id}", Robot, wanted)

    async def delete_robot(self, robot_id: int) -> None:
        """Delete a robot that runs no job; its token and its credential die with it."""
        return await self._change("DELETE", f"/api/robots/{robot_id}", type(None))

    async def vouch_for_robot(self, robot_id: int) -> Robot:
        """Vouch for a robot: it shows as online until the usual silence limit."""
        return await self._change("POST", f"/api/robots/{robot_id}/heartbeat", Robot)

    async def pause_robot(self, robot_id: int, wanted: RobotPause) -> Robot:
        """Pause a robot: it finishes its job and is given no other, also after restarts."""
        return await self._change("POST", f"/api/robots/{robot_id}/pause", Robot, wanted)

    async def resume_robot(self, robot_id: int) -> Robot:
        """Resume a paused robot; what waits for it may be claimed at once."""
        return await self._change("POST", f"/api/robots/{robot_id}/resume", Robot)

    async def renew_robot_token(self, robot_id: int) -> RobotToken:
        """Give a robot a new token; the one before dies when the new one is first used."""
        return await self._change("POST", f"/api/robots/{robot_id}/token", RobotToken)
