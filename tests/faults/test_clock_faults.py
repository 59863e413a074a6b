"""A server that was stopped, blocked, or whose clock was set: no job pays for it."""

import asyncio
import os
import signal
import sqlite3
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from orchestrator_server.audit import service as audit
from orchestrator_server.db.peers import Alone
from orchestrator_server.errors import Unavailable
from orchestrator_server.http.keys import (
    CHANGES,
    DATA_FOLDER,
    DATABASE,
    HEARD,
    KEYS,
    LOGS,
    MAINTENANCE,
    OBJECTS,
    SETTINGS,
    WAKEUPS,
)
from orchestrator_server.jobs import lifecycle
from orchestrator_server.jobs import service as jobs
from orchestrator_server.maintenance import lost_robots, pulse
from orchestrator_server.maintenance.high_water import HighWater
from orchestrator_server.maintenance.loop import Maintenance
from orchestrator_server.maintenance.old_things import OldThings
from orchestrator_server.maintenance.pulse import Moment
from sdk.contract.audit import AuditQuery
from sdk.contract.jobs import JobStatus
from tests.faults.doctor import broken_promises
from tests.support.processes import a_server, failing_at
from tests.support.world import api_at

PERIOD_SECONDS = 0.2
STOPPED_SECONDS = 16  # more than three periods of the real watchdog
DAY = timedelta(days=1)
SPOIL = "UPDATE jobs SET lease_until = '2000-01-01T00:00:00.000000+00:00' WHERE status = 'running'"


@asynccontextmanager
async def a_watchdog(server, clock):
    """One more, which looks often."""
    database, settings = server[DATABASE], server[SETTINGS]
    old = OldThings(database, settings, server[LOGS], server[KEYS], server[OBJECTS])
    high_water = HighWater(database, server[DATA_FOLDER])
    parts = (
        database,
        Alone(),
        server[WAKEUPS],
        settings,
        server[HEARD],
        server[CHANGES],
        old,
        server[KEYS],
        high_water,
        clock,
    )
    watchdog = Maintenance(*parts, tick_seconds=PERIOD_SECONDS)
    await watchdog.start()
    try:
        yield watchdog
    finally:
        await watchdog.stop()


async def recorded(server, action):
    """The first audit event of this kind, once it is there."""
    async with asyncio.timeout(20):
        while True:
            page = await server[DATABASE].read(audit.list_events, AuditQuery(action=action))
            if page.items:
                return await server[DATABASE].read(audit.get, page.items[-1].id)
            await asyncio.sleep(0.02)


async def state_of(server, job):
    def look(tx):
        return tx.one(jobs.sql.lock_state, lifecycle.State, missing="", id=job["id"])

    return await server[DATABASE].write(look)


@pytest.mark.parametrize(
    ("steady", "told", "late", "jumped"),
    [
        (5.0, 5.0, 0, 0),
        (5.2, 4.0, 0.2, 0),  # slewed, as a time service does
        (5.2, 0.0, 0.2, 0),  # a clock that stands still was not set
        (185.0, 185.0, 180, 0),  # stopped
        (5.0, 86_405.0, 0, 86_400),
        (5.0, 11.0, 0, 6),
        (5.0, 9.9, 0, 0),
        (5.0, -86_395.0, 0, -86_400),
        (5.0, -0.5, 0, -5.5),
        (185.0, -3415.0, 180, -3600),
    ],
)
def test_how_late_a_look_is_and_whether_the_clock_was_set_in_between(steady, told, late, jumped):
    """C-7, C-42: with a period of five seconds."""
    begin = datetime(2030, 1, 1, tzinfo=UTC)
    last, now = Moment(begin, 100.0), Moment(begin + timedelta(seconds=told), 100.0 + steady)
    assert pulse.late_seconds(last, now, 5.0) == pytest.approx(late)
    assert pulse.jumped_seconds(last, now, 5.0) == pytest.approx(jumped)


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
async def test_a_clock_set_by_a_day_ends_no_lease_and_leaves_none_for_a_day(
    server, admin, claimed, clock, config, jump
):
    """C-42"""
    robot, job = await claimed()
    async with a_watchdog(server, clock):
        clock.now += jump
        event = await recorded(server, "clock.jumped")
    assert event.metadata["seconds"] == pytest.approx(jump.total_seconds(), abs=6)
    state = await state_of(server, job)
    assert (state.status, state.lease_until) == (JobStatus.RUNNING, clock() + timedelta(minutes=1))
    beat = await robot.post("/api/runner/heartbeat", 200, jobs=[{"id": job["id"], "attempt": 1}])
    assert beat["jobs"][0]["action"] == "continue"

    later = await (await admin.sign_in()).make_job({"id": 1})
    assert later["id"] > job["id"]
    clock.advance(minutes=1)
    assert await server[DATABASE].write(lost_robots.run_once) == 1  # silence counts again
    assert await broken_promises(config.data, config.database_url) == {}


async def test_a_clock_set_at_the_very_moment_of_the_look_ends_no_lease(
    server, claimed, clock, monkeypatch
):
    """C-42: after the watchdog has compared the clocks, before it asks for what is over."""
    _, job = await claimed()

    def read_and_set():
        before = clock()
        clock.now += DAY
        return before

    monkeypatch.setattr(server[MAINTENANCE], "_clock", read_and_set)
    await server[MAINTENANCE]._tick(late_seconds=0)
    assert (await state_of(server, job)).status is JobStatus.RUNNING


async def test_a_blocked_event_loop_costs_no_job_and_is_told(server, admin, claimed, clock):
    """C-63"""
    _, job = await claimed()
    async with a_watchdog(server, clock) as watchdog:
        time.sleep(1.5)  # the fault itself
        event = await recorded(server, "server.paused")
        assert event.metadata["seconds"] >= 1
        assert watchdog.loop_late_seconds < 1.5
    assert (await state_of(server, job)).status is JobStatus.RUNNING

    server[MAINTENANCE].loop_late_seconds = 20.0
    ready = await admin.get("/api/health/ready", 200)  # it is told, and counts for nothing
    assert ready["parts"]["loop"] == "20.0 s late at the last tick"
    assert b"runwright_loop_late_seconds 20.0" in await admin.get("/metrics")
    server[MAINTENANCE].loop_late_seconds = 0.9
    assert (await admin.get("/api/health/ready"))["parts"]["loop"] == "ok"


async def test_a_watchdog_that_cannot_reach_the_database_takes_that_for_being_away(
    server, claimed, clock, monkeypatch
):
    """C-7: nor could a robot be heard meanwhile. C-35, C-29"""
    _, job = await claimed()

    def fail(tx):
        raise Unavailable("The database cannot be reached; try again in a moment.")

    monkeypatch.setattr(lost_robots, "run_once", fail)
    async with a_watchdog(server, clock) as watchdog:
        await recorded(server, "server.paused")
        assert watchdog.is_running
    assert (await state_of(server, job)).status is JobStatus.RUNNING


def end_every_lease(data, database_url):
    """In the database itself, while the server looks away."""
    if database_url is None:
        with sqlite3.connect(data / "runwright.db") as connection:
            assert connection.execute(SPOIL).rowcount == 1
        connection.close()
    else:
        with psycopg.connect(database_url) as connection:
            assert connection.execute(SPOIL).rowcount == 1


async def told(admin, action):
    async with asyncio.timeout(30):
        while not (found := (await admin.get(f"/api/audit?action={action}"))["items"]):
            await asyncio.sleep(0.05)
        return await admin.get(f"/api/audit/{found[0]['id']}")


@pytest.mark.slow
async def test_a_server_that_was_stopped_for_long_expires_nothing(tmp_path, database_url):
    """C-7: SIGSTOP until every lease is over, SIGCONT."""
    data = tmp_path / "data"
    async with a_server(data, database_url) as server, api_at(server.url) as api:
        admin = await api.sign_in()
        job = await admin.make_job(await admin.make_process())
        robot = await admin.make_robot()
        await robot.post("/api/runner/next-job", 200, claim_key="k")

        os.kill(server.process.pid, signal.SIGSTOP)
        end_every_lease(data, database_url)
        await asyncio.sleep(STOPPED_SECONDS)  # the fault itself
        os.kill(server.process.pid, signal.SIGCONT)

        event = await told(admin, "server.paused")
        assert event["metadata"]["seconds"] >= STOPPED_SECONDS - 5
        update = f"/api/runner/jobs/{job['id']}/update"
        await robot.post(update, 200, status="completed", attempt=1)
        assert await broken_promises(data, database_url) == {}


@pytest.mark.slow
async def test_a_server_whose_event_loop_hangs_expires_nothing_and_says_so(tmp_path):
    """C-63: the second upload blocks the loop, as a bug would."""
    data = tmp_path / "data"
    hanging = failing_at(f"upload.after_rename=sleep:{STOPPED_SECONDS}@2")
    async with a_server(data, **hanging) as server, api_at(server.url) as api:
        admin = await api.sign_in()
        job = await admin.make_job(await admin.make_process())
        robot = await admin.make_robot()
        await robot.post("/api/runner/next-job", 200, claim_key="k")

        uploading = asyncio.create_task(admin.upload("second"))
        async with asyncio.timeout(10):
            while len(list((data / "packages").glob("second_*"))) == 0:
                await asyncio.sleep(0.01)
        end_every_lease(data, None)
        await uploading

        async with asyncio.timeout(4):  # the next tick is in time again
            while (ready := await admin.get("/api/health/ready"))["parts"]["loop"] == "ok":
                await asyncio.sleep(0.02)
        assert ready["status"] == "ok"
        assert "s late at the last tick" in ready["parts"]["loop"]
        await told(admin, "server.paused")
        assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "running"
        assert await broken_promises(data) == {}
