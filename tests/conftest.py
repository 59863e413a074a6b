"""Fixtures. Each test that asks for `database`, `server` or `api` runs on both databases."""

import asyncio
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from orchestrator_server import app as server_app
from orchestrator_server.access import passwords
from orchestrator_server.app import create_app
from orchestrator_server.config import Config
from orchestrator_server.db.migrate import migrate
from orchestrator_server.db.sqlite import SqliteDatabase
from orchestrator_server.http.protocol import Runner
from tests.support import postgres as a_postgres
from tests.support import s3
from tests.support.world import ADMIN_PASSWORD, api_at


def pytest_configure():
    # A worker of pytest-xdist ignores it, and so would every program that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Clock:
    """Time stands still until a test moves it."""

    def __init__(self):
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self):
        return self.now

    def advance(self, **by):
        self.now += timedelta(**by)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="session")
def postgres_databases():
    with a_postgres.server() as url:
        yield a_postgres.Databases(url)


@pytest.fixture(scope="session")
def s3_server():
    with s3.server() as server:
        yield server


@pytest.fixture
def s3_environment(s3_server, monkeypatch):
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    """A migrated SQLite file; tests begin with a copy of it."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"

    async def make():
        database = await SqliteDatabase.open(str(path), Clock())
        await migrate(database)
        await database.close()

    _in_a_loop_of_its_own(make)
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_databases):
    from orchestrator_server.db.postgres import PostgresDatabase

    name = postgres_databases.create()

    async def make():
        database = await PostgresDatabase.open(postgres_databases.url_of(name), Clock())
        await migrate(database)
        await database.close()

    _in_a_loop_of_its_own(make)
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request, tmp_path):
    """None for SQLite, as in a Config; a fresh, migrated database either way."""
    yield from _a_url(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request, clock, tmp_path):
    """A fresh, migrated database; every test that asks for it runs once on each kind."""
    async with _opened(request.param, request, clock, tmp_path) as database:
        yield database


@pytest.fixture
async def sqlite(request, clock, tmp_path):
    """For what only SQLite has: the shared commit and its planner."""
    async with _opened("sqlite", request, clock, tmp_path) as database:
        yield database


@pytest.fixture
async def postgres(request, clock, tmp_path):
    """For what only PostgreSQL has: transactions that get in each other's way."""
    async with _opened("postgres", request, clock, tmp_path) as database:
        yield database


@pytest.fixture
def config(tmp_path, database_url):
    return Config(data=tmp_path / "data", database_url=database_url, admin_password=ADMIN_PASSWORD)


@pytest.fixture
async def server(config, clock, monkeypatch):
    """A server on a real socket, with a clock that stands still; gives its application."""
    monkeypatch.setattr(server_app, "Passwords", fast_passwords)
    async with serving(create_app(config, clock)) as app:
        yield app


@pytest.fixture
async def api(server):
    """A stranger's view of the server."""
    async with api_at(server["url"]) as api:
        yield api


@pytest.fixture
async def admin(api):
    """The administrator's view of the server."""
    return await api.sign_in()


@pytest.fixture
async def claimed(admin):
    """Give a robot a job of a new process, made as wanted: the robot, and what it was given."""

    async def claim(**wanted):
        process = await admin.make_process(**wanted)
        await admin.make_job(process)
        robot = await admin.make_robot()
        job = (await robot.post("/api/runner/next-job", 200, claim_key="k"))["job"]
        return robot, job

    return claim


@asynccontextmanager
async def serving(app):
    runner = Runner(app, shutdown_timeout=5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield _Served(app, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


class _Served:
    def __init__(self, app, url):
        self.app, self.url = app, url

    def __getitem__(self, key):
        return self.url if key == "url" else self.app[key]


def _in_a_loop_of_its_own(make):
    """The test that asks first has a running loop already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(make())).result()


def fast_passwords(pepper):
    return passwords.Passwords(pepper, cost=4)  # a quarter of a second a sign-in otherwise


@asynccontextmanager
async def _opened(kind, request, clock, tmp_path):
    urls = _a_url(kind, request, tmp_path)
    url = next(urls)
    try:
        if kind == "sqlite":
            opening = SqliteDatabase.open(str(tmp_path / "data" / "runwright.db"), clock)
        else:
            from orchestrator_server.db.postgres import PostgresDatabase

            opening = PostgresDatabase.open(url, clock)
        database = await opening
        try:
            yield database
        finally:
            await database.close()
    finally:
        urls.close()


def _a_url(kind, request, tmp_path):
    if kind == "sqlite":
        (tmp_path / "data").mkdir(mode=0o700, exist_ok=True)
        template = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "data" / "runwright.db")
        yield None
        return
    databases = request.getfixturevalue("postgres_databases")
    name = databases.create(request.getfixturevalue("postgres_template"))
    try:
        yield databases.url_of(name)
    finally:
        databases.drop(name)
