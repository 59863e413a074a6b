"""The dashboard, and the numbers for monitoring, over HTTP."""

from aiohttp import web

from orchestrator_server.dashboard import service
from orchestrator_server.http.keys import (
    DATABASE,
    MAINTENANCE,
    METRICS,
    SETTINGS,
    WAKEUPS,
    online_since,
)
from orchestrator_server.http.routes import get
from sdk.contract.dashboard import Overview


async def overview(request: web.Request) -> Overview:
    """How things stand: counts, robots, and the latest jobs."""
    general, since = request.app[SETTINGS].general, await online_since(request)
    return await request.app[DATABASE].read(service.overview, general, since)


async def metrics(request: web.Request) -> web.Response:
    """Numbers for Prometheus. Give it an API token with the scope `dashboard:view`."""
    gauges = await request.app[DATABASE].read(service.gauges, await online_since(request))
    content = request.app[METRICS].render(
        gauges,
        waiting_robots=request.app[WAKEUPS].count,
        loop_late_seconds=request.app[MAINTENANCE].loop_late_seconds,
    )
    return web.Response(
        body=content, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


ROUTES = [
    get("/api/dashboard/overview", overview, may="dashboard:view"),
    get("/metrics", metrics, may="dashboard:view", gives=bytes),
]
