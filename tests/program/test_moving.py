"""From SQLite to PostgreSQL: everything is there, under its number, and goes on."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import msgspec
import psycopg
import pytest

from orchestrator_server.app import create_app
from orchestrator_server.cli import move
from orchestrator_server.config import Config
from orchestrator_server.db import moving
from tests.conftest import serving
from tests.faults.doctor import broken_promises
from tests.program.test_backup import some_work
from tests.support.processes import failing_at
from tests.support.world import ADMIN_PASSWORD, api_at

LOOKED_AT = [
    *("machines", "robots", "packages", "processes", "jobs", "queues", "queue-items", "assets"),
    *("access/users", "access/roles", "settings", "audit"),
]


@pytest.fixture
def old(tmp_path):
    return Config(data=tmp_path / "data", admin_password=ADMIN_PASSWORD)


@pytest.fixture
def new(old, postgres_databases):
    name = postgres_databases.create()
    return msgspec.structs.replace(old, database_url=postgres_databases.url_of(name))


async def some_of_everything(admin):
    await some_work(admin)
    machine = await admin.post("/api/machines", 201, name="mill")
    robot = await admin.make_robot("with everything", machine_id=machine["id"], labels=["sap"])
    await robot.post("/api/runner/heartbeat", 200, machine_info={"system": "Linux", "ü": "\u2028"})
    asset = {"name": "secret", "type": "secret", "value": "s3cret \\ \t \n"}
    await admin.post("/api/assets", 201, **asset)
    queue = await admin.post("/api/queues", 201, name="q")
    items = [{"payload": {"n": n, "text": "ä\\N\t"}} for n in range(20)]
    await admin.post("/api/queue-items/bulk", 200, queue_id=queue["id"], items=items)
    process = (await admin.get("/api/processes"))[0]
    for n in range(50):
        await admin.make_job(process, parameters={"n": n, "text": "\\. \\N ' \" %s"})


async def seen(admin):
    found = {path: await admin.get(f"/api/{path}") for path in LOOKED_AT}
    return found | {"audit": found["audit"]["items"]}


async def fill(old):
    async with serving(create_app(old)) as server, api_at(server["url"]) as api:
        admin = await api.sign_in()
        await some_of_everything(admin)
        return await seen(admin)


async def moved(new, **environment):
    command = [sys.executable, "-m", "orchestrator_server", "move", "--data", str(new.data)]
    return await asyncio.to_thread(
        subprocess.run,
        [*command, "--database-url", new.database_url],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


async def test_everything_is_there_under_its_number_and_goes_on(old, new):
    before = await fill(old)
    done = await moved(new)
    assert done.returncode == 0, done.stderr
    assert "each compared" in done.stdout
    assert not old.sqlite_path.exists()
    async with serving(create_app(new)) as server, api_at(server["url"]) as api:
        admin = await api.sign_in()
        after = await seen(admin)
        newest_event, *events = after["audit"]  # that was us
        assert newest_event["action"] == "session.login"
        after["audit"] = events[: len(before["audit"]) - 1]
        before["audit"].pop()  # the page has moved on by one
        newest = before["jobs"][0]["id"]
        assert (await admin.make_job(after["processes"][0]))["id"] == newest + 1
        assert (await admin.get("/api/jobs/1/logs")) == b"done"
    for path in LOOKED_AT:
        assert after[path] == before[path], path
    assert await broken_promises(new.data, new.database_url) == {}


@pytest.mark.parametrize("page", [1, 3])
async def test_what_was_killed_goes_on(old, new, page, monkeypatch):
    await fill(old)
    killed = await moved(new, **failing_at(f"move.after_page=kill@{page}"))
    assert killed.returncode == -9
    assert old.sqlite_path.exists()
    done = await moved(new)
    assert done.returncode == 0, done.stderr
    assert await broken_promises(new.data, new.database_url) == {}


async def test_a_database_with_data_is_refused_and_left_alone(old, new):
    await fill(old)
    async with serving(create_app(new)):
        pass  # it has an administrator and roles now
    refused = await moved(new)
    assert refused.returncode == 78
    assert "has data already" in refused.stderr
    assert old.sqlite_path.exists()


async def test_the_old_file_of_an_earlier_move_is_not_overwritten(old, new):
    await fill(old)
    earlier = old.data / "runwright.db.moved"
    earlier.write_text("dear")
    refused = await moved(new)
    assert refused.returncode == 78
    assert "of an earlier move" in refused.stderr
    assert earlier.read_text() == "dear"


async def test_a_value_that_postgresql_does_not_take_is_told(old, new):
    await fill(old)
    with closing(sqlite3.connect(old.sqlite_path)) as source, source:
        source.execute("UPDATE users SET username = 'a' || char(0) || 'b'")
    refused = await moved(new)
    assert refused.returncode == 78
    assert "Mend that value" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_a_row_that_differs_is_found(old, new):
    await fill(old)
    killed = await moved(new, **failing_at("move.before_comparing=kill"))
    assert killed.returncode == -9
    with psycopg.connect(new.database_url) as target:
        changed = target.execute("UPDATE users SET username = 'eve' RETURNING id").fetchall()
        assert changed
    refused = await moved(new)
    assert refused.returncode == 78
    assert "users {'id': 1} is not the same in both" in refused.stderr
    with closing(sqlite3.connect(old.sqlite_path)) as source:
        assert source.execute("SELECT username FROM users").fetchall() == [("admin",)]


async def test_a_server_at_work_is_not_moved_from(old, new):
    async with serving(create_app(old)) as server, api_at(server["url"]) as api:
        admin = await api.sign_in()
        await some_work(admin)
        refused = await moved(new)
        assert refused.returncode == 78
        assert "stop the server first" in refused.stderr
        await admin.make_robot("another")


async def test_a_postgresql_that_goes_away_is_told_without_its_password(old, new):
    await fill(old)
    url = new.database_url.replace("postgres@", "postgres:s3cret@")
    await move._migrated(new)
    with psycopg.connect(new.database_url, autocommit=True) as other:
        [(name,)] = other.execute("SELECT current_database()").fetchall()
        with pytest.raises(moving.CannotMove, match="Run it again") as told:
            moving.move(old.sqlite_path, url, lambda *_: end_others(other, name))
    assert "s3cret" not in str(told.value)
    assert old.sqlite_path.exists()


def end_others(connection, name):
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = %s AND pid <> pg_backend_pid()",
        [name],
    )
