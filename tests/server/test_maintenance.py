"""What runs beside the requests goes on, whatever happens to one step of it."""

import asyncio

import pytest

from orchestrator_server.errors import Unavailable
from orchestrator_server.http.keys import DATABASE, HEARD, MAINTENANCE
from orchestrator_server.maintenance import high_water, loop
from orchestrator_server.maintenance.high_water import HighWater
from orchestrator_server.maintenance.loop import Maintenance


async def until(is_so, seconds=10):
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_no_step_that_fails_ends_what_runs_beside(server, monkeypatch):
    ours = server[MAINTENANCE]
    await ours.stop()
    tried = {"tick": 0, "look": 0, "clean up": 0}

    def failing(what):
        async def fail(*_):
            tried[what] += 1
            raise OSError(116, "Stale file handle")

        return fail

    monkeypatch.setattr(loop, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(loop, "CLEAN_UP_SECONDS", 0.01)
    monkeypatch.setattr(ours, "_tick_seconds", 0.01)
    monkeypatch.setattr(Maintenance, "_tick", failing("tick"))
    monkeypatch.setattr(Maintenance, "_look_once", failing("look"))
    monkeypatch.setattr(ours._old_things, "run_once", failing("clean up"))
    if not ours._peers.is_leader:
        await until(lambda: ours._peers.is_leader)
    await ours.start()
    await until(lambda: min(tried.values()) > 2)
    assert ours.is_running


async def test_while_there_is_more_to_delete_the_next_step_comes_soon(server, monkeypatch):
    ours = server[MAINTENANCE]
    await until(lambda: ours._peers.is_leader)
    await ours.stop()
    steps = []

    async def run_once():
        monkeypatch.setattr(loop, "CLEAN_UP_SECONDS", 3600)
        steps.append(1)
        return len(steps) < 3

    monkeypatch.setattr(loop, "CLEAN_UP_SECONDS", 0.01)
    monkeypatch.setattr(loop, "MORE_SECONDS", 0.01)
    monkeypatch.setattr(ours._old_things, "run_once", run_once)
    await ours.start()
    await until(lambda: len(steps) == 3)


async def test_who_is_online_can_be_seen_while_nothing_can_be_written(
    admin, server, clock, monkeypatch
):
    robot = await admin.make_robot()
    await robot.post("/api/runner/heartbeat", 200, jobs=[])

    async def full(*_):
        raise Unavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(server[DATABASE].urgent, "write", full)
        assert len(await admin.get("/api/robots")) == 1
    clock.advance(seconds=1)
    [seen] = await admin.get("/api/robots")  # what could not be written is not forgotten
    assert seen["status"] == "online"
    assert server[HEARD]._robots == {}


async def test_a_clock_that_was_set_back_keeps_nobody_online(admin, clock):
    robot = await admin.make_robot()
    await robot.post("/api/runner/heartbeat", 200, jobs=[])
    await admin.get("/api/robots")
    clock.advance(hours=-1)
    admin = await admin.sign_in()
    await robot.post("/api/runner/heartbeat", 200, jobs=[])
    await admin.get("/api/robots")
    clock.advance(minutes=5)
    [seen] = await admin.get("/api/robots")
    assert seen["status"] != "online"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_standby_that_took_over_is_told_once_whoever_leads_then(
    admin, server, tmp_path, monkeypatch
):
    timeline = 1
    monkeypatch.setattr(high_water, "_timeline", lambda tx: timeline)
    leaders = [HighWater(server[DATABASE], tmp_path) for _ in range(3)]
    for leader in leaders:
        await leader.note()
    timeline = 2
    for leader in leaders:
        await leader.note()
    told = await admin.get("/api/audit?action=database.restored")
    assert len(told["items"]) == 1
