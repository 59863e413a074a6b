"""SQLite: held by another program, without room, and a data folder that lacks both."""

import asyncio
import io
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest
import structlog

from orchestrator_server.db import open as opening
from orchestrator_server.db.queries import Query
from orchestrator_server.db.sqlite import SqliteDatabase
from tests.db.test_group_commit import create, ids
from tests.faults.doctor import broken_promises
from tests.support.processes import a_server
from tests.support.world import api_at

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WRITES = 150
UPLOAD_BYTES = 4_000_000  # more than any file has yet
FREE_MIB = 100  # more than the server calls little
# Both are lines of a program of its own, which says when it is ready and ends when told to.
HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
CHECKPOINT = """
import sqlite3, sys, threading
told = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), told.set()), daemon=True).start()
other = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
print("begun", flush=True)
while not told.is_set():
    try:
        other.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    except sqlite3.OperationalError as error:
        assert "locked" in str(error)
"""


@asynccontextmanager
async def another_program(lines, path):
    """It is at work until the block ends, and ends well."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", lines, str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    await program.stdout.readline()
    try:
        yield
    finally:
        program.stdin.close()
        status = await program.wait()
    assert status == 0


@on_sqlite
@pytest.mark.slow
async def test_a_database_held_by_another_program_is_told_and_nothing_is_half_done(admin, config):
    """C-29: after the five seconds that a write waits."""
    async with another_program(HOLD, config.sqlite_path):
        path, names = "/api/machines", ["one", "two", "three"]
        refused = await asyncio.gather(*(admin.post(path, name=name) for name in names))
        assert {(answer.status, answer.kind) for answer in refused} == {(503, "unavailable")}
        assert {answer.headers["Retry-After"] for answer in refused} == {"2"}
        assert await admin.get("/api/machines") == []  # reading goes on
        assert (await admin.get("/api/health/ready"))["status"] == "ok"
    for name in names:
        await admin.post(path, 201, name=name)
    assert len(await admin.get("/api/machines")) == 3
    assert await broken_promises(config.data) == {}


@pytest.mark.parametrize(("version", "warnings"), [((3, 51, 2), 1), ((3, 51, 3), 0)])
async def test_a_sqlite_with_a_known_fault_is_warned_of(sqlite, monkeypatch, version, warnings):
    """C-30"""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    with structlog.testing.capture_logs() as logged:
        opening.warn_of_old_sqlite(sqlite)
    assert len(logged) == warnings


async def test_no_connection_maps_the_database_into_memory(sqlite):
    """C-30"""

    def size(tx):
        return tx._session.fetch(Query("size", "PRAGMA mmap_size"), {})

    assert await sqlite.write(size) == await sqlite.read(size) == [{"mmap_size": 0}]


async def test_a_server_and_a_command_beside_it_lose_nothing(sqlite, clock, tmp_path):
    """C-30: both write, and both checkpoint after each commit."""
    path = tmp_path / "data" / "runwright.db"
    beside = await SqliteDatabase.open(str(path), clock)
    for database in (sqlite, beside):
        await database._writer.execute("PRAGMA wal_autocheckpoint = 1")
    try:
        for _ in range(WRITES):
            await asyncio.gather(sqlite.write(create), beside.write(create))
    finally:
        await beside.close()
    assert await how_many(sqlite) == 2 * WRITES
    assert integrity(path) == "ok"


async def test_a_program_that_checkpoints_does_no_damage(sqlite, tmp_path):
    """C-30: it is somebody's own. A SQLite with the known fault may forget what was committed while
    two of them are at it (a bare loop of sqlite3 does so here); the server warns of that one."""
    path = tmp_path / "data" / "runwright.db"
    async with another_program(CHECKPOINT, path):
        for _ in range(2 * WRITES):
            await sqlite.write(create)
    if sqlite3.sqlite_version_info >= opening.SAFE_SQLITE:
        assert await how_many(sqlite) == 2 * WRITES
    assert await ids(sqlite)
    assert integrity(path) == "ok"


async def how_many(database):
    [counted] = await database.read(lambda tx: tx._session.fetch(COUNT, {}))
    return counted["made"]


def integrity(path):
    with closing(sqlite3.connect(path)) as connection:
        [found] = connection.execute("PRAGMA integrity_check").fetchone()
    return found


COUNT = Query("count", "SELECT count(*) AS made FROM machines")


def may_mount():
    """Whether this process has CAP_SYS_ADMIN."""
    said = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return bool(int(said["CapEff"], 16) >> 21 & 1)


class SmallDisk:
    """A disk of its own for the data folder, which can be filled; not everybody may mount one."""

    kind = "storage-full"

    def __init__(self, data):
        self._filler = data / "filler"
        self._data = data

    @contextmanager
    def there(self):
        self._data.mkdir()
        size = f"size={FREE_MIB}m,mode=700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", self._data], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", self._data], check=True)

    def fill(self, _pid):
        free = shutil.disk_usage(self._data).free
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free)

    def make_room(self, _pid):
        self._filler.unlink()

    def told(self, ready):
        return ready["parts"]["storage"] == "only 0 MiB free"


class SmallFiles:
    """No file of the server may grow beyond what the database has: which works everywhere."""

    kind = "unavailable"  # SQLite does not tell this from a disk that fails

    def __init__(self, data):
        self._data = data

    @contextmanager
    def there(self):
        yield

    def fill(self, pid):
        size = (self._data / "runwright.db-wal").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def make_room(self, pid):
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)

    def told(self, ready):
        return ready["status"] == "ok"  # it is not the disk that is full


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SmallFiles, SmallDisk] if may_mount() else [SmallFiles])
async def test_without_room_it_reads_and_goes_on_when_there_is_room_again(tmp_path, kind):
    """C-31"""
    data = tmp_path / "data"
    disk = kind(data)
    with disk.there():
        async with a_server(data) as server, api_at(server.url) as api:
            admin = await api.sign_in()
            job = await admin.make_job(await admin.make_process())
            robot = await admin.make_robot()
            await robot.post("/api/runner/next-job", 200, claim_key="k")
            report = f"/api/runner/jobs/{job['id']}/update", {"status": "completed", "attempt": 1}

            disk.fill(server.process.pid)
            refused = await written_until_refused(admin)
            assert (refused.status, refused.kind) == (503, disk.kind)
            assert int(refused.headers["Retry-After"]) > 0
            content = io.BytesIO(os.urandom(UPLOAD_BYTES))
            upload = await admin.upload("large", content=content, status=503)
            assert upload["type"] == "/problems/storage-full"
            await admin.upload("small", status=503)  # and this one fits into a buffer
            assert list((data / "packages").glob(".incoming-*")) == []
            assert (await robot.post(report[0], **report[1])).status == 503
            assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "running"
            assert disk.told((await admin.ask("GET", "/api/health/ready")).body)

            disk.make_room(server.process.pid)
            await robot.post(report[0], 200, **report[1])
            await admin.post("/api/queues", 201, name="afterwards")
            assert (await admin.get("/api/health/ready"))["status"] == "ok"
            assert await broken_promises(data) == {}


async def written_until_refused(admin):
    """The first refusal: what is left of the last block of a file takes a few writes yet."""
    for number in range(1000):
        answer = await admin.post("/api/queues", name=f"queue {number}", description="x" * 500)
        if answer.status != 201:
            return answer
    raise AssertionError("there was room for everything")
