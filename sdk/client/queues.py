"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.queues import Queue, QueueCreate, QueueQuery, QueueStats, QueueUpdate


class QueuesCalls(Requests):
    def list_queues(self, query: QueueQuery | None = None) -> Listing[Queue]:
        """List queues, newest first."""
        return self._list("/api/queues", Queue, query or QueueQuery())

    async def create_queue(self, wanted: QueueCreate) -> Queue:
        """Create a queue."""
        return await self._change("POST", "/api/queues", Queue, wanted)

    async def get_queue(self, queue_id: int) -> Queue:
        """Get one queue."""
        return await self._get(f"/api/queues/{queue_id}", Queue)

    async def queue_stats(self, queue_id: int) -> QueueStats:
        """How many items of a queue are in which state, and since when the oldest one waits."""
        return await self._get(f"/api/queues/{queue_id}/stats", QueueStats)

    async def update_queue(self, queue_id: int, wanted: QueueUpdate) -> Queue:
        """Change a queue."""
        return await self._change("PUT", f"/api/queues/{queue_id}", Queue, wanted)

    async def delete_queue(self, queue_id: int) -> None:
        """Delete a queue in which nothing is left to be done."""
        return await self._change("DELETE", f"/api/queues/{queue_id}", type(None))
