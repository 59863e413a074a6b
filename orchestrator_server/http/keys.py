"""What hangs on the application and on each request, by typed key."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from aiohttp import web

from orchestrator_server.access.callers import Caller
from orchestrator_server.access.passwords import Passwords
from orchestrator_server.access.throttle import Throttle
from orchestrator_server.db.transaction import Database
from orchestrator_server.db.wakeups import Wakeups
from orchestrator_server.errors import Unavailable
from orchestrator_server.hints import Hints
from orchestrator_server.http.known import Known
from orchestrator_server.http.metrics import Metrics
from orchestrator_server.http.proxies import ProxyDetector, TrustedProxies
from orchestrator_server.jobs.logs import Logs
from orchestrator_server.jobs.wants import Taker
from orchestrator_server.keys import Keys
from orchestrator_server.mail import Mailer
from orchestrator_server.maintenance.loop import Maintenance
from orchestrator_server.objects.store import ObjectStore
from orchestrator_server.processes.changes import Latest
from orchestrator_server.robots import presence
from orchestrator_server.robots.heard import Heard
from orchestrator_server.sdk_sessions.waiting import Waiting
from orchestrator_server.sealing import Sealer
from orchestrator_server.settings.current import CurrentSettings

Clock = Callable[[], datetime]

CHANGES = web.AppKey("changes", Latest)
CLOCK: web.AppKey[Clock] = web.AppKey("clock", Callable)  # type: ignore[arg-type]
DATA_FOLDER = web.AppKey("data_folder", Path)
DATABASE: web.AppKey[Database] = web.AppKey("database", Database)
HEARD = web.AppKey("heard", Heard)
HAS_REMOTE_CLIENTS = web.AppKey("has_remote_clients", bool)
HINTS = web.AppKey("hints", Hints)
HOSTS: web.AppKey[frozenset[str] | None] = web.AppKey("hosts", frozenset)
KEYS = web.AppKey("keys", Keys)
KNOWN = web.AppKey("known", Known)
LOGS = web.AppKey("logs", Logs)
MAILER = web.AppKey("mailer", Mailer)
MAINTENANCE = web.AppKey("maintenance", Maintenance)
METRICS = web.AppKey("metrics", Metrics)
OBJECTS: web.AppKey[ObjectStore] = web.AppKey("objects", ObjectStore)
OPENAPI = web.AppKey("openapi", bytes)
ORDERS: web.AppKey[Wakeups[int]] = web.AppKey("orders", Wakeups)
PROXIES = web.AppKey("proxies", TrustedProxies)
PROXY_DETECTOR = web.AppKey("proxy_detector", ProxyDetector)
PASSWORDS = web.AppKey("passwords", Passwords)
SDK_WAITING = web.AppKey("sdk_waiting", Waiting)
SEALER = web.AppKey("sealer", Sealer)
SETUP_TOKEN: web.AppKey[str | None] = web.AppKey("setup_token", str)
SETTINGS = web.AppKey("settings", CurrentSettings)
SUSPECTS: web.AppKey[set[str]] = web.AppKey("suspects", set)
THROTTLE = web.AppKey("throttle", Throttle)
WAKEUPS: web.AppKey[Wakeups[Taker]] = web.AppKey("wakeups", Wakeups)

CALLER: web.RequestKey[Caller] = web.RequestKey("caller", object)  # type: ignore[arg-type]
ROUTE_PATH = web.RequestKey("route_path", str)
REQUEST_ID = web.RequestKey("request_id", str)


async def online_since(request: web.Request) -> datetime:
    """A robot last heard after this is online; what was heard until now is in the database, unless
    that cannot be written to: to look is possible all the same."""
    with suppress(Unavailable):  # the look once a second says so
        await request.app[HEARD].flush()
    return presence.online_since(request.app[CLOCK](), request.app[SETTINGS].jobs)
