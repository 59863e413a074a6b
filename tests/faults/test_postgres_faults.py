"""PostgreSQL restarts, dies, hangs up and makes its clients wait."""

import asyncio
import os
from collections import Counter
from contextlib import asynccontextmanager

import pytest
import structlog
from psycopg.errors import FeatureNotSupported

from orchestrator_server.app import create_app
from orchestrator_server.config import Config
from orchestrator_server.db import postgres as db
from orchestrator_server.maintenance import high_water
from tests.conftest import serving
from tests.faults.backups import survives_a_backup_under_load
from tests.faults.doctor import broken_promises
from tests.faults.relay import Relay
from tests.program.test_server_process import all_jobs, prepare, work
from tests.support import postgres as a_postgres
from tests.support.world import ADMIN_PASSWORD, api_at

ROBOTS, JOBS = 8, 200


@pytest.fixture(scope="module")
def cluster():
    """Durable, and nobody else's."""
    with a_postgres.cluster() as ours:
        yield ours


@pytest.fixture
def config(cluster, tmp_path):
    databases = a_postgres.Databases(cluster.url)
    name = databases.create()
    url = databases.url_of(name)
    yield Config(data=tmp_path / "data", database_url=url, admin_password=ADMIN_PASSWORD)
    databases.drop(name)


@asynccontextmanager
async def a_server(config):
    async with serving(create_app(config)) as server, api_at(server["url"]) as api:
        yield server, await api.sign_in()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_what_was_acknowledged_outlives_a_restart_of_postgresql(cluster, config, mode):
    """C-35, C-36: while robots claim and report. `immediate` is like kill -9, with fsync on."""
    async with a_server(config) as (_, admin):
        robots, seen = await prepare(admin, ROBOTS, JOBS)
        statuses = Counter()
        working = asyncio.gather(
            *(work(robot, f"r{n}", seen, statuses) for n, robot in enumerate(robots))
        )
        async with asyncio.timeout(60):
            while sum(map(bool, seen.values())) < JOBS // 4:
                await asyncio.sleep(0.002)
        await asyncio.to_thread(cluster.stop, mode)
        await asyncio.to_thread(cluster.start)
        async with asyncio.timeout(60):
            await working
        jobs = await all_jobs(admin)
    assert {job["status"] for job in jobs.values()} == {"completed"}
    assert {job["attempt"] for job in jobs.values()} == {1}
    assert {len(set(grants)) for grants in seen.values()} == {1}
    assert set(statuses) == {200}
    assert await broken_promises(config.data, config.database_url) == {}


@pytest.mark.slow
async def test_after_a_long_outage_it_is_back_within_seconds(cluster, config):
    """C-35: not after as long again, as psycopg's own patience would have it."""
    async with a_server(config) as (_, admin):
        await asyncio.to_thread(cluster.stop, "fast")
        async with asyncio.timeout(60):
            for _ in range(4):
                refused = await admin.post("/api/machines", name="one")
                assert (refused.status, refused.kind) == (503, "unavailable")
                assert refused.headers["Retry-After"] == "2"
        await asyncio.to_thread(cluster.start)
        async with asyncio.timeout(db.RECONNECT_SECONDS + 2):
            while (await admin.post("/api/machines", name="one")).status == 503:
                await asyncio.sleep(0.1)


async def unheard(relay, words, asking):
    """It is done, and the answer to its COMMIT is lost."""
    relay.cut_at(words)
    assert (await asking).status == 503
    assert relay.has_cut.is_set()


async def test_a_commit_whose_answer_is_lost_is_repeated_in_vain(cluster, config):
    """C-38: the outcome is unknown, so it is said to be, and who repeats finds it done."""
    async with Relay(cluster.socket).there() as relay:
        relayed = relay.url_of(config.database_url)
        behind = Config(
            data=config.data, database_url=relayed, admin_password=config.admin_password
        )
        async with a_server(behind) as (_, admin):
            process = await admin.make_process()
            job, other = await admin.make_job(process), await admin.make_job(process)
            robot = await admin.make_robot()

            claim = "/api/runner/next-job"
            await unheard(relay, "INSERT INTO attempts", robot.post(claim, claim_key="k"))
            granted = (await robot.post(claim, 200, claim_key="k"))["job"]
            assert (granted["id"], granted["attempt"]) == (job["id"], 1)

            path = f"/api/runner/jobs/{job['id']}/update"
            report = {"status": "completed", "attempt": 1, "result": 7}
            await unheard(relay, "UPDATE attempts", robot.post(path, **report))
            assert (await robot.post(path, 200, **report))["already"] is True

            making = admin.post("/api/jobs", process_id=process["id"])
            await unheard(relay, "INSERT INTO jobs", making)
            jobs = await admin.get("/api/jobs")
            assert [found["status"] for found in jobs] == ["pending", "pending", "completed"]
            assert other["id"] in {found["id"] for found in jobs}
    assert await broken_promises(config.data, config.database_url) == {}


@pytest.mark.slow
async def test_a_backup_made_under_load_is_sound_and_goes_on(
    cluster, config, tmp_path, monkeypatch
):
    """C-69: with `pg_dump` and `pg_restore`."""
    monkeypatch.setenv("PATH", f"{cluster.binaries}:{os.environ['PATH']}")
    databases = a_postgres.Databases(cluster.url)
    name = databases.create()
    copy = Config(data=tmp_path / "copy", database_url=databases.url_of(name))
    await survives_a_backup_under_load(config, copy, tmp_path / "backup")
    databases.drop(name)


@pytest.mark.slow
async def test_a_standby_that_had_not_received_all_is_told_when_it_takes_over(tmp_path):
    """C-39: what it lacks is gone, a job that ran waits again, and the server says so by itself."""
    with (
        a_postgres.cluster() as primary,
        a_postgres.cluster(source=primary) as standby,
    ):
        config = Config(
            data=tmp_path / "data", database_url=primary.url, admin_password=ADMIN_PASSWORD
        )
        async with a_server(config) as (_, admin):
            robot = await admin.make_robot()
            job = await admin.make_job(await admin.make_process())
            received = "SELECT pg_current_wal_lsn() <= replay_lsn FROM pg_stat_replication"
            async with asyncio.timeout(20):
                while not await asyncio.to_thread(a_postgres.asked, primary.url, received):
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(standby.stop, "fast")
            await robot.post("/api/runner/next-job", 200, claim_key="k")  # it never hears of that
            await asyncio.to_thread(primary.stop, "immediate")
            await asyncio.to_thread(standby.start, primary.socket.parent)
            # Not yet: it takes no changes, so nobody works with it.
            assert (await admin.ask("GET", "/api/robots")).status == 503
            await asyncio.to_thread(standby.promote)

            async with asyncio.timeout(30):
                while not (events := await restored(admin)):
                    await asyncio.sleep(0.2)
            lost = await admin.get(f"/api/jobs/{job['id']}")
            assert (lost["status"], lost["attempt"]) == ("pending", 0)
            report = f"/api/runner/jobs/{job['id']}/update"
            late = await robot.post(report, status="completed", attempt=1, claim_key="k")
            assert (late.status, late.kind) == (409, "not-claimed")
            [event] = events
            told = (await admin.get(f"/api/audit/{event['id']}"))["metadata"]
            assert told["waiting_jobs"] == [job["id"]]
            await asyncio.sleep(2)
            assert len(await restored(admin)) == 1  # once
        assert await broken_promises(config.data, config.database_url) == {}


async def test_a_database_that_tells_no_timeline_is_served_and_that_is_said_once(
    config, monkeypatch
):
    def not_supported(tx):
        raise FeatureNotSupported("pg_current_wal_lsn() is not supported here")

    monkeypatch.setattr(high_water, "_timeline", not_supported)
    with structlog.testing.capture_logs() as logged:
        async with a_server(config) as (_, admin):
            async with asyncio.timeout(10):
                while high_water.read(config.data) is None:
                    await asyncio.sleep(0.05)
            assert await restored(admin) == []
    said = [entry["event"] for entry in logged if entry["log_level"] == "warning"]
    assert said.count("this database does not tell when a standby takes over") == 1


async def restored(admin):
    answer = await admin.ask("GET", "/api/audit?action=database.restored")
    return answer.body["items"] if answer.status == 200 else []
