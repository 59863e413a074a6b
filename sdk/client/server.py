"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Requests
from sdk.contract.server import About, Alive, Ready


class ServerCalls(Requests):
    async def about(self) -> About:
        """Name, version and where to go."""
        return await self._get("/", About)

    async def live(self) -> Alive:
        """Whether the process answers."""
        return await self._get("/api/health/live", Alive)

    async def ready(self) -> Ready:
        """Whether it can work, part by part; 503 if not."""
        return await self._get("/api/health/ready", Ready)

    async def metrics(self) -> bytes:
        """Numbers for Prometheus. Give it an API token with the scope `dashboard:view`."""
        return await self._get("/metrics", bytes)
