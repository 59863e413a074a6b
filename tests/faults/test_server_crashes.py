"""The server is killed where it hurts most, and started again."""

import asyncio
import os
import sqlite3
import sys
import time

import aiohttp
import psycopg
import pytest

from orchestrator_server.assets.service import place, sql
from orchestrator_server.config import Config
from orchestrator_server.http.keys import DATABASE, SEALER
from tests.faults.doctor import broken_promises
from tests.support.processes import a_server, failing_at
from tests.support.world import api_at

SECRETS = 250
TWO_HOURS = 7200


async def lost(asking):
    """The answer never came: the server was killed."""
    with pytest.raises((aiohttp.ClientConnectionError, ConnectionError)):
        await asking


async def orchestrator(config, *arguments, **environment):
    """Run a command; return its status."""
    url = ["--database-url", config.database_url] if config.database_url else []
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator_server", *arguments),
        *("--data", str(config.data), *url),
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(60):
        return await command.wait()


class Work:
    """One job, and the robot that claims and reports it with the same words each time."""

    def __init__(self, admin, job, robot):
        self.admin, self.job, self.robot = admin, job, robot

    @classmethod
    async def begin(cls, api):
        admin = await api.sign_in()
        job = await admin.make_job(await admin.make_process())
        return cls(admin, job, await admin.make_robot())

    async def claim(self, status=None):
        return await self.robot.post("/api/runner/next-job", status, claim_key="k")

    async def report(self, status=None):
        path = f"/api/runner/jobs/{self.job['id']}/update"
        return await self.robot.post(path, status, status="completed", attempt=1, result=7)

    async def state(self):
        found = await self.admin.get(f"/api/jobs/{self.job['id']}")
        return found["status"], found["attempt"]

    async def events(self):
        path = f"/api/audit?entity_type=job&entity_id={self.job['id']}"
        found = (await self.admin.get(path))["items"]
        return [event["action"].removeprefix("job.") for event in reversed(found)]


@pytest.mark.slow
async def test_a_claim_outlives_a_server_that_is_killed_around_its_commit(tmp_path, database_url):
    """C-1, C-2: before it nothing has happened; after it the same request gets the attempt."""
    data, first = tmp_path / "data", failing_at("claim.before_commit=kill")
    async with a_server(data, database_url, **first) as server, api_at(server.url) as api:
        work = await Work.begin(api)
        await lost(work.claim())
        await server.killed_itself()
        await server.start(**failing_at("claim.after_commit=kill"))
        assert await work.state() == ("pending", 0)

        await lost(work.claim())
        await server.killed_itself()
        await server.start()
        assert await work.state() == ("running", 1)
        granted = (await work.claim(200))["job"]
        assert (granted["attempt"], granted["redelivered"]) == (1, True)
        assert await work.events() == ["created", "claimed"]
        assert await broken_promises(data, database_url) == {}


@pytest.mark.slow
async def test_a_result_outlives_a_server_that_is_killed_around_its_commit(tmp_path, database_url):
    """C-3, C-4: before it the job runs on; after it the same report is answered the same."""
    data, first = tmp_path / "data", failing_at("result.before_commit=kill")
    async with a_server(data, database_url, **first) as server, api_at(server.url) as api:
        work = await Work.begin(api)
        await work.claim(200)
        await lost(work.report())
        await server.killed_itself()
        await server.start(**failing_at("result.after_commit=kill"))
        assert await work.state() == ("running", 1)

        await lost(work.report())
        await server.killed_itself()
        await server.start()
        assert (await work.report(200))["already"] is True
        assert await work.state() == ("completed", 1)
        assert await work.events() == ["created", "claimed", "completed"]
        assert await broken_promises(data, database_url) == {}


@pytest.mark.slow
async def test_an_upload_that_was_killed_leaves_no_file_and_works_again(tmp_path, database_url):
    """C-5: the file is in place, its row is not."""
    data = tmp_path / "data"
    at_upload = failing_at("upload.after_rename=kill")
    async with a_server(data, database_url, **at_upload) as server, api_at(server.url) as api:
        admin = await api.sign_in()
        await lost(admin.upload())
        await server.killed_itself()
        [left] = (data / "packages").iterdir()
        if database_url:  # it might be an upload to another server, until it is old
            os.utime(left, (time.time() - TWO_HOURS,) * 2)
        await server.start()
        assert list((data / "packages").iterdir()) == []
        assert await admin.get("/api/packages") == []
        await admin.upload(status=201)
        assert await broken_promises(data, database_url) == {}


@pytest.mark.slow
async def test_secrets_stay_readable_however_often_a_rotation_is_killed(admin, server, config):
    """C-67: after the first batch, after the second, after the last; then it is run to its end."""
    names = [f"secret {number}" for number in range(SECRETS)]
    for name in names:
        await admin.post("/api/assets", 201, name=name, type="secret", value=f"value of {name}")

    def opened(tx):
        rows = tx._session.fetch(sql.sealed_after, {"after_id": 0, "limit": SECRETS + 1})
        return [server[SEALER].open(row["sealed"], place(row["id"])) for row in rows]

    for batch in (1, 2, 3):
        killed = failing_at(f"rotation.after_batch=kill@{batch}")
        assert await orchestrator(config, "keys", "rotate", **killed) == -9
        assert await server[DATABASE].read(opened) == [f"value of {name}" for name in names]
    assert await orchestrator(config, "keys", "rotate") == 0
    assert await server[DATABASE].read(opened) == [f"value of {name}" for name in names]
    assert await broken_promises(config.data, config.database_url) == {}


def tables_of(sqlite_path, database_url):
    """What a database is made of, as it tells itself."""
    if database_url is None:
        connection = sqlite3.connect(sqlite_path)
        query = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
    else:
        connection = psycopg.connect(database_url)
        query = """SELECT table_name, column_name, data_type FROM information_schema.columns
                   WHERE table_schema = 'public' ORDER BY 1, 2"""
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_migration_that_is_killed_is_done_whole_the_next_time(
    kind, sqlite_template, postgres_databases, postgres_template, tmp_path
):
    """C-68: killed later each time, until it comes through. On SQLite that is after single
    statements; PostgreSQL is sent those of a file together."""
    name = postgres_databases.create()
    url = postgres_databases.url_of(name) if kind == "postgres" else None
    expected = postgres_databases.url_of(postgres_template) if kind == "postgres" else None
    config = Config(data=tmp_path / "data", database_url=url)
    passes, status = 1, -9
    while status != 0:
        killed = failing_at(f"migration.after_statement=kill@{passes}")
        status = await orchestrator(config, "migrate", **killed)
        assert status == -9 or passes > 4
        passes *= 2
    assert tables_of(config.sqlite_path, url) == tables_of(sqlite_template, expected)
    assert await broken_promises(config.data, url) == {}
    postgres_databases.drop(name)
