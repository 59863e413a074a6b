"""What the server says about itself: that it lives, that it is ready, what it can do."""

import shutil
from pathlib import Path

from aiohttp import web

import orchestrator_server
from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Unavailable
from orchestrator_server.http.keys import DATA_FOLDER, DATABASE, MAINTENANCE, OPENAPI, SETTINGS
from orchestrator_server.http.routes import public_get
from orchestrator_server.http.serving import reply
from sdk.contract.server import About, Alive, Ready

sql = queries.load("orchestrator_server.db")

FREE_BYTES = 64 * 1024 * 1024
LATE_SECONDS = 1.0


async def about(request: web.Request) -> About:
    """Name, version and where to go."""
    general = request.app[SETTINGS].general
    here = general.public_url or ""
    paths = {"health": "/api/health/ready", "openapi": "/openapi.json", "docs": "/docs"}
    return About(
        name="Runwright",
        instance_name=general.instance_name,
        version=orchestrator_server.version(),
        links={name: here + path for name, path in paths.items()},
    )


async def live(request: web.Request) -> Alive:
    """Whether the process answers."""
    return Alive()


async def ready(request: web.Request) -> web.Response:
    """Whether it can work, part by part; 503 if not."""
    app = request.app
    parts = {
        "database": await _database(request),
        "storage": _storage(app[DATA_FOLDER]),
        "watchdog": "ok" if app[MAINTENANCE].is_running else "not running",
    }
    good = all(state == "ok" for state in parts.values())
    # Told and not counted: to send requests elsewhere would not make it less busy for long.
    parts["loop"] = _loop(app[MAINTENANCE].loop_late_seconds)
    return reply(
        Ready(status="ok" if good else "unavailable", parts=parts), status=200 if good else 503
    )


async def openapi(request: web.Request) -> web.Response:
    """This API, as an OpenAPI 3.1 document."""
    return web.Response(body=request.app[OPENAPI], content_type="application/json")


async def _database(request: web.Request) -> str:
    try:
        await request.app[DATABASE].read(_ping)
    except Unavailable as error:
        return str(error)
    return "ok"


def _ping(tx: Transaction) -> None:
    tx.run(sql.ping)


def _storage(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    return "ok" if free >= FREE_BYTES else f"only {free // 1024**2} MiB free"


def _loop(late_seconds: float) -> str:
    return "ok" if late_seconds <= LATE_SECONDS else f"{late_seconds:.1f} s late at the last tick"


ROUTES = [
    public_get("/", about),
    public_get("/api/health/live", live),
    public_get("/api/health/ready", ready, gives=Ready),
    public_get("/openapi.json", openapi, gives=dict),
]
