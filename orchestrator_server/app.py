"""Puts the server together. Read this first: it is the map."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiohttp import web

from orchestrator_server import keys
from orchestrator_server import log as logs
from orchestrator_server.access import management_routes as access_management
from orchestrator_server.access import resets
from orchestrator_server.access import routes as access
from orchestrator_server.access import service as people
from orchestrator_server.access.passwords import Passwords, check_strength
from orchestrator_server.access.throttle import Throttle
from orchestrator_server.artifacts import routes as artifacts
from orchestrator_server.assets import routes as assets
from orchestrator_server.audit import routes as audit
from orchestrator_server.config import Config
from orchestrator_server.console import routes as console
from orchestrator_server.dashboard import routes as dashboard
from orchestrator_server.db.open import open_database, peers_of, warn_of_old_sqlite
from orchestrator_server.db.peers import Peers
from orchestrator_server.db.transaction import Database
from orchestrator_server.db.wakeups import Wakeups
from orchestrator_server.hints import Hints
from orchestrator_server.http import docs, health, openapi
from orchestrator_server.http.keys import (
    CHANGES,
    CLOCK,
    DATA_FOLDER,
    DATABASE,
    HAS_REMOTE_CLIENTS,
    HEARD,
    HINTS,
    HOSTS,
    KEYS,
    KNOWN,
    LOGS,
    MAILER,
    MAINTENANCE,
    METRICS,
    OBJECTS,
    OPENAPI,
    ORDERS,
    PASSWORDS,
    PROXIES,
    PROXY_DETECTOR,
    SDK_WAITING,
    SEALER,
    SETTINGS,
    SETUP_TOKEN,
    SUSPECTS,
    THROTTLE,
    WAKEUPS,
)
from orchestrator_server.http.known import Known
from orchestrator_server.http.metrics import Metrics
from orchestrator_server.http.middleware import add_headers, check_host, observe
from orchestrator_server.http.problems import problems
from orchestrator_server.http.proxies import ProxyDetector, TrustedProxies
from orchestrator_server.http.routes import Route
from orchestrator_server.http.serving import mount
from orchestrator_server.jobs import routes as jobs
from orchestrator_server.jobs.logs import Logs
from orchestrator_server.machines import routes as machines
from orchestrator_server.mail import Mailer
from orchestrator_server.maintenance import leftovers
from orchestrator_server.maintenance.high_water import HighWater
from orchestrator_server.maintenance.loop import Maintenance
from orchestrator_server.maintenance.old_things import OldThings
from orchestrator_server.objects.open import open_store
from orchestrator_server.packages import routes as packages
from orchestrator_server.processes import routes as processes
from orchestrator_server.processes.changes import Latest
from orchestrator_server.queue_items import routes as queue_items
from orchestrator_server.queues import routes as queues
from orchestrator_server.robots import routes as robots
from orchestrator_server.robots.heard import Heard
from orchestrator_server.runner import routes as runner
from orchestrator_server.sdk_sessions import routes as sdk_sessions
from orchestrator_server.sdk_sessions.waiting import Waiting
from orchestrator_server.sealing import Sealer
from orchestrator_server.settings import routes as settings
from orchestrator_server.settings.current import CurrentSettings
from orchestrator_server.upgrade import upgrade
from sdk.contract.settings import Settings

FEATURES = [
    health,
    access,
    access_management,
    machines,
    robots,
    packages,
    processes,
    jobs,
    artifacts,
    runner,
    assets,
    audit,
    settings,
    queues,
    queue_items,
    dashboard,
    sdk_sessions,
    console,
    docs,
]
ROUTES: list[Route] = [route for feature in FEATURES for route in feature.ROUTES]

Clock = Callable[[], datetime]


def create_app(config: Config, clock: Clock = lambda: datetime.now(UTC)) -> web.Application:
    """The server as an aiohttp application; what it holds open, it opens when it starts."""
    app = web.Application(middlewares=[observe, problems, check_host])
    app[CLOCK] = clock
    app[DATA_FOLDER] = config.data
    app[HOSTS] = config.hosts
    app[HAS_REMOTE_CLIENTS] = not config.is_on_loopback or bool(config.trusted_proxies)
    app[PROXIES] = TrustedProxies(config.trusted_proxies)
    app[PROXY_DETECTOR] = ProxyDetector(app[PROXIES])
    app[METRICS] = Metrics()
    app[WAKEUPS] = Wakeups()
    app[ORDERS] = Wakeups()
    app[SDK_WAITING] = Waiting()
    app[SUSPECTS] = set()
    app[OPENAPI] = openapi.document(ROUTES)
    app.on_response_prepare.append(add_headers)
    for route in ROUTES:
        mount(app, route)

    async def resources(app: web.Application) -> AsyncIterator[None]:
        async for _ in _open(app, config, clock):
            yield

    app.cleanup_ctx.append(resources)
    app.on_shutdown.append(_let_go)
    return app


async def prepare(database: Database, config: Config) -> keys.Keys:
    """Bring the database up to date; return the keys that belong to it."""
    await upgrade(database)
    await database.write(people.create_built_in_roles)
    check = await database.read(keys.stored_check)
    loaded = keys.load(config.key_file, check=check)
    if check is None:
        await database.write(keys.remember_check, loaded.check_value())
    return loaded


async def _open(app: web.Application, config: Config, clock: Clock) -> AsyncIterator[None]:
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = await open_database(config, clock)
    try:
        app[DATABASE] = database
        warn_of_old_sqlite(database)
        app[KEYS] = await prepare(database, config)
        app[PASSWORDS] = Passwords(app[KEYS].pepper)
        app[SEALER] = Sealer(keys.KeyFile(config.key_file, app[KEYS]))
        app[SETTINGS] = CurrentSettings(lambda settings: _apply(config, settings))
        await app[SETTINGS].refresh(database)
        app[OBJECTS] = await open_store(config, app[KEYS])
        app[HEARD] = Heard(database)
        await leftovers.sweep(database, app[OBJECTS], config.data)
        app[LOGS] = _logs(app, config)
        app[SETUP_TOKEN] = await create_first_admin(database, app[PASSWORDS], config)
        app[THROTTLE] = Throttle(clock)
        app[MAILER] = Mailer()
        app[MAILER].start()
        try:
            async with _maintained(app, peers_of(config, database)):
                yield
        finally:
            await app[MAILER].stop()
            app[LOGS].close()
            app[PASSWORDS].close()
    finally:
        await database.close()


@asynccontextmanager
async def _maintained(app: web.Application, peers: Peers) -> AsyncIterator[None]:
    app[HINTS] = Hints(app[WAKEUPS], app[ORDERS], peers)
    app[KNOWN] = Known(app[CLOCK], lambda: peers.is_alone)
    app[CHANGES] = Latest()
    app[MAINTENANCE] = _maintenance(app, peers)
    await peers.start(app[HINTS].hear)
    try:
        await app[MAINTENANCE].start()
        yield
    finally:
        try:
            await app[MAINTENANCE].stop()
        finally:
            await peers.stop()


def _logs(app: web.Application, config: Config) -> Logs:
    """What is written is in the folder; what has ended goes where packages are, if that is not."""
    archive = app[OBJECTS] if config.store else None
    return Logs(config.data, lambda: app[SETTINGS].jobs.log_limit_bytes, archive)


def _maintenance(app: web.Application, peers: Peers) -> Maintenance:
    database = app[DATABASE]
    return Maintenance(
        database,
        peers,
        app[WAKEUPS],
        app[SETTINGS],
        app[HEARD],
        app[CHANGES],
        OldThings(database, app[SETTINGS], app[LOGS], app[KEYS], app[OBJECTS]),
        app[KEYS],
        HighWater(database, app[DATA_FOLDER]),
        app[CLOCK],
    )


async def create_first_admin(
    database: Database, passwords: Passwords, config: Config
) -> str | None:
    """Unless there is one, with the password that was given; else a token to set one."""
    if config.workers > 1:
        return None  # their parent has seen to it
    if config.admin_password is None:
        return await database.write(resets.begin_setup)
    if await database.read(people.has_admin):
        return None  # before the hash, which takes a quarter of a second
    check_strength(config.admin_password)
    hashed = passwords.hash_now(config.admin_password)
    await database.write(resets.create_first_admin, hashed)
    return None


def _apply(config: Config, settings: Settings) -> None:
    """What is not read each time must be told of a change; the command line has the last word."""
    logs.configure(
        config.log_format or settings.logging.format, config.log_level or settings.logging.level
    )


async def _let_go(app: web.Application) -> None:
    app[WAKEUPS].close()
    app[ORDERS].close()
    app[SDK_WAITING].close()
