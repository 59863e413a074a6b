"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Listing, Requests
from sdk.contract.processes import (
    Process,
    ProcessCreate,
    ProcessQuery,
    ProcessRelease,
    ProcessSecret,
    ProcessUpdate,
)


class ProcessesCalls(Requests):
    def list_processes(self, query: ProcessQuery | None = None) -> Listing[Process]:
        """List processes, newest first."""
        return self._list("/api/processes", Process, query or ProcessQuery())

    async def create_process(self, wanted: ProcessCreate) -> Process:
        """Create a process: a script of a package, under a name."""
        return await self._change("POST", "/api/processes", Process, wanted)

    async def get_process(self, process_id: int) -> Process:
        """Get one process."""
        return await self._get(f"/api/processes/{process_id}", Process)

    async def list_process_secrets(self, process_id: int) -> list[ProcessSecret]:
        """List the secrets that a process may read, and those that its package asks for."""
        return await self._get(f"/api/processes/{process_id}/secrets", list[ProcessSecret])

    async def update_process(self, process_id: int, wanted: ProcessUpdate) -> Process:
        """Change a process; its version rises if something else would run."""
        return await self._change("PUT", f"/api/processes/{process_id}", Process, wanted)

    async def upgrade_process(self, process_id: int) -> Process:
        """Move a process to the newest active version of its package."""
        return await self._change("POST", f"/api/processes/{process_id}/upgrade", Process)

    async def propose_process_change(self, process_id: int, wanted: ProcessUpdate) -> Process:
        """Propose a change of a process that reads secrets; it waits until it is released."""
        return await self._change("PUT", f"/api/processes/{process_id}/proposal", Process, wanted)

    async def discard_process_proposal(self, process_id: int) -> None:
        """Drop the change that waits to be released."""
        return await self._change("DELETE", f"/api/processes/{process_id}/proposal", type(None))

    async def release_process_change(self, process_id: int, wanted: ProcessRelease) -> Process:
        """Apply the change that waits. Where secrets were granted, it also takes `assets:edit`."""
        return await self._change("POST", f"/api/processes/{process_id}/release", Process, wanted)

    async def delete_process(self, process_id: int) -> None:
        """Delete a process that has no unfinished job."""
        return await self._change("DELETE", f"/api/processes/{process_id}", type(None))
