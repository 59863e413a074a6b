"""The audit trail over HTTP: there is no route that changes it."""

from aiohttp import web

from orchestrator_server.audit import service
from orchestrator_server.http.keys import DATABASE
from orchestrator_server.http.routes import get
from sdk.contract.audit import AuditDetails, AuditPage, AuditQuery


async def list_events(request: web.Request, wanted: AuditQuery) -> AuditPage:
    """List audit events, newest first."""
    return await request.app[DATABASE].read(service.list_events, wanted)


async def get_event(request: web.Request, event_id: int) -> AuditDetails:
    """Get one audit event with what was before and after."""
    return await request.app[DATABASE].read(service.get, event_id)


ROUTES = [
    get("/api/audit", list_events, may="audit:view"),
    get("/api/audit/{event_id}", get_event, may="audit:view"),
]
