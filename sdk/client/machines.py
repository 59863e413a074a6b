"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.machines import (
    Machine,
    MachineCreate,
    MachineCreated,
    MachineKey,
    MachineQuery,
    MachineUpdate,
)


class MachinesCalls(Requests):
    def list_machines(self, query: MachineQuery | None = None) -> Listing[Machine]:
        """List machines, newest first."""
        return self._list("/api/machines", Machine, query or MachineQuery())

    async def create_machine(self, wanted: MachineCreate) -> MachineCreated:
        """Create a machine. The answer is the only one that carries its key."""
        return await self._change("POST", "/api/machines", MachineCreated, wanted)

    async def get_machine(self, machine_id: int) -> Machine:
        """Get one machine."""
        return await self._get(f"/api/machines/{machine_id}", Machine)

    async def update_machine(self, machine_id: int, wanted: MachineUpdate) -> Machine:
        """Rename a machine, or change the labels that its agent may request for its robots."""
        return await self._change("PUT", f"/api/machines/{machine_id}", Machine, wanted)

    async def renew_machine_key(self, machine_id: int) -> MachineKey:
        """Give a machine a new key; the one before works for the overlap that is set."""
        return await self._change("POST", f"/api/machines/{machine_id}/key", MachineKey)

    async def delete_machine(self, machine_id: int) -> None:
        """Delete a machine that has no robots; its key dies with it."""
        return await self._change("DELETE", f"/api/machines/{machine_id}", type(None))
