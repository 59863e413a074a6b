"""Made by `make docs` from the route tables; do not edit."""

from sdk.client.requests import Requests
from sdk.contract.audit import AuditDetails, AuditPage, AuditQuery


class AuditCalls(Requests):
    async def list_events(self, query: AuditQuery | None = None) -> AuditPage:
        """List audit events, newest first."""
        return await self._get("/api/audit", AuditPage, query or AuditQuery())

    async def get_event(self, event_id: int) -> AuditDetails:
        """Get one audit event with what was before and after."""
        return await self._get(f"/api/audit/{event_id}", AuditDetails)
