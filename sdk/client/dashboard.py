"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Requests
from sdk.contract.dashboard import Overview


class DashboardCalls(Requests):
    async def overview(self) -> Overview:
        """How things stand: counts, robots, and the latest jobs."""
        return await self._get("/api/dashboard/overview", Overview)
