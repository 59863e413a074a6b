"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.queues import (
    Item,
    ItemAttempt,
    ItemCreate,
    ItemOutcomes,
    ItemQuery,
    ItemsCreate,
    ItemUpdate,
)


class QueueItemsCalls(Requests):
    def list_items(self, query: ItemQuery | None = None) -> Listing[Item]:
        """List queue items, newest first; `dead_letters=true` lists those that failed for good."""
        return self._list("/api/queue-items", Item, query or ItemQuery())

    async def create_item(self, wanted: ItemCreate) -> Item:
        """Put an item into a queue."""
        return await self._change("POST", "/api/queue-items", Item, wanted, repeatable=True)

    async def create_items(self, wanted: ItemsCreate) -> ItemOutcomes:
        """Put up to 1,000 items into a queue; each has an outcome of its own."""
        return await self._change(
            "POST", "/api/queue-items/bulk", ItemOutcomes, wanted, repeatable=True
        )

    async def get_item(self, item_id: int) -> Item:
        """Get one queue item."""
        return await self._get(f"/api/queue-items/{item_id}", Item)

    async def item_attempts(self, item_id: int) -> list[ItemAttempt]:
        """Each time an item was taken, and how that ended, the first one first."""
        return await self._get(f"/api/queue-items/{item_id}/attempts", list[ItemAttempt])

    async def update_item(self, item_id: int, wanted: ItemUpdate) -> Item:
        """Change a new item, try a dead letter again, or give a new item up."""
        return await self._change("PUT", f"/api/queue-items/{item_id}", Item, wanted)

    async def delete_item(self, item_id: int) -> None:
        """Delete an item that nobody is working on."""
        return await self._change("DELETE", f"/api/queue-items/{item_id}", type(None))
