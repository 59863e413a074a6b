"""The files of a SQLite database: damaged, lost, or of another time."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from orchestrator_server.app import create_app
from orchestrator_server.audit import service as audit
from orchestrator_server.config import Config
from orchestrator_server.db import sqlite_file
from orchestrator_server.db.open import CannotOpen, open_database
from orchestrator_server.http.keys import DATABASE
from orchestrator_server.maintenance import high_water
from sdk.contract.audit import AuditQuery
from tests.conftest import serving
from tests.faults.backups import survives_a_backup_under_load
from tests.faults.doctor import broken_promises
from tests.support.processes import a_server
from tests.support.world import ADMIN_PASSWORD, api_at

PAGE_BYTES = 4096


def cut(size_bytes):
    def harm(path):
        with path.open("r+b") as file:
            file.truncate(size_bytes if size_bytes > 0 else path.stat().st_size + size_bytes)

    return harm


def garble(share):
    """Turn around the bits where a page begins."""

    def harm(path):
        pages = path.stat().st_size // PAGE_BYTES
        with path.open("r+b") as file:
            file.seek(int(pages * share) * PAGE_BYTES)
            begin = file.read(100)
            file.seek(-100, 1)
            file.write(bytes(byte ^ 0xFF for byte in begin))

    return harm


def replace(content):
    return lambda path: path.write_bytes(content)


HARM = {
    "cut": cut(-6000),
    "cut in half": cut(200_000),
    "only its header": cut(100),
    "its first page": garble(0),
    "a page near the beginning": garble(0.1),
    "a page in the middle": garble(0.5),
    "its last page": garble(0.999),
    "text": replace(b"Dear diary, " * 1000),
    "zeros": replace(bytes(100_000)),
}


def now():
    return datetime.now(UTC)


@pytest.fixture
def config(sqlite_template, tmp_path):
    """Of a data folder with a migrated database, and nothing else."""
    config = Config(data=tmp_path / "data", admin_password=ADMIN_PASSWORD)
    config.data.mkdir()
    shutil.copy(sqlite_template, config.sqlite_path)
    return config


@pytest.mark.parametrize("what", HARM)
async def test_a_damaged_file_is_not_opened_and_not_touched(config, what):
    """C-32"""
    HARM[what](config.sqlite_path)
    before = config.sqlite_path.read_bytes()
    with pytest.raises(CannotOpen, match=r"is damaged.*orchestrator restore FOLDER"):
        await open_database(config, now)
    assert config.sqlite_path.read_bytes() == before


def test_the_program_ends_with_78_and_names_the_way_out(config):
    """C-32"""
    HARM["a page in the middle"](config.sqlite_path)
    refused = subprocess.run(
        [sys.executable, "-m", "orchestrator_server", "serve", "--data", config.data],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 78
    assert "orchestrator restore FOLDER" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_of_a_large_file_only_the_beginning_is_looked_at(config, monkeypatch):
    """C-32: what it holds is found damaged when it is read."""
    monkeypatch.setattr(sqlite_file, "CHECKED_BYTES", 0)
    HARM["its last page"](config.sqlite_path)
    assert sqlite_file.damage(config.sqlite_path) is None
    HARM["its first page"](config.sqlite_path)
    assert sqlite_file.damage(config.sqlite_path)


async def test_an_empty_file_is_a_new_database(config):
    """C-32"""
    config.sqlite_path.write_bytes(b"")
    async with serving(create_app(config)) as server, api_at(server["url"]) as api:
        await (await api.sign_in()).upload()
    assert await broken_promises(config.data) == {}


@pytest.mark.slow
async def test_one_that_another_program_holds_is_not_called_damaged(config):
    """C-32: nobody should restore a backup because of it."""
    with sqlite3.connect(config.sqlite_path, isolation_level=None) as holding:
        holding.execute("PRAGMA journal_mode = DELETE")
        holding.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CannotOpen, match=r"locked.*another program that holds it"):
            await open_database(config, now)
    holding.close()


async def noted(config, event_id):
    """Return once the server has written down that it had come so far."""
    async with asyncio.timeout(10):
        while (mark := high_water.read(config.data)) is None or mark.event_id < event_id:
            await asyncio.sleep(0.02)
    return mark.event_id


async def restored(server):
    """The events that tell of lost time."""
    page = await server[DATABASE].read(
        audit.list_events, AuditQuery(action="database.restored", page_size=200)
    )
    return [await server[DATABASE].read(audit.get, event.id) for event in page.items]


async def test_an_older_copy_in_its_place_is_noticed_once(config):
    """C-34"""
    async with serving(create_app(config)) as server, api_at(server["url"]) as api:
        admin = await api.sign_in()
        process = await admin.make_process()
        waiting, running = await admin.make_job(process), await admin.make_job(process)
        await (await admin.make_robot()).post("/api/runner/next-job", 200)
        assert await restored(server) == []
    shutil.copy(config.sqlite_path, config.data / "older")
    async with serving(create_app(config)) as server, api_at(server["url"]) as api:
        lost = await (await api.sign_in()).make_job(process)
        known = await noted(config, await server[DATABASE].read(high_water.newest_event))
        assert await restored(server) == []
    shutil.move(config.data / "older", config.sqlite_path)

    async with serving(create_app(config)) as server, api_at(server["url"]) as api:
        [event] = await restored(server)
        assert event.metadata["known_event"] == known > event.metadata["newest_event"]
        jobs = event.metadata["running_jobs"], event.metadata["waiting_jobs"]
        assert jobs == ([waiting["id"]], [running["id"]])
        again = await (await api.sign_in()).make_job(process)
        assert again["id"] == lost["id"]  # what was lost is gone, and its numbers are free
    async with serving(create_app(config)) as server:
        assert len(await restored(server)) == 1
    assert await broken_promises(config.data) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"event_id": "x"}'])
async def test_a_mark_that_cannot_be_read_says_nothing(config, content):
    """C-33: a loss of power may leave it so; it is a hint, and no reason not to start."""
    (config.data / high_water.NAME).write_bytes(content)
    async with serving(create_app(config)) as server:
        assert await restored(server) == []
        assert high_water.read(config.data).event_id >= 0


@pytest.mark.slow
async def test_a_lost_wal_is_told_with_the_jobs_that_may_have_run(config):
    """C-33: killed, its -wal deleted; what was committed since the last checkpoint is gone."""
    async with a_server(config.data) as server, api_at(server.url) as api:
        admin = await api.sign_in()
        process = await admin.make_process()
        kept = await admin.make_job(process)
        await server.stop()
        await server.start()
        await admin.make_job(process)
        newest = (await admin.get("/api/audit?page_size=1"))["items"][0]["id"]
        await noted(config, newest)
        await server.kill()
        for end in ("-wal", "-shm"):
            config.sqlite_path.with_name(config.sqlite_path.name + end).unlink()
        await server.start()

        assert [job["id"] for job in await admin.get("/api/jobs")] == [kept["id"]]
        [event] = (await admin.get("/api/audit?action=database.restored"))["items"]
        told = (await admin.get(f"/api/audit/{event['id']}"))["metadata"]
        assert told["known_event"] >= newest > told["newest_event"]
        assert (told["waiting_jobs"], told["running_jobs"]) == ([kept["id"]], [])
        assert await broken_promises(config.data) == {}


@pytest.mark.slow
async def test_a_backup_made_under_load_is_sound_and_goes_on(config, tmp_path):
    """C-69"""
    copy = Config(data=tmp_path / "copy")
    await survives_a_backup_under_load(config, copy, tmp_path / "backup")
