"""A robot that waits for a job, and becomes another one meanwhile."""

import asyncio

import pytest

from orchestrator_server.http.keys import DATABASE, ORDERS, WAKEUPS
from orchestrator_server.maintenance import loop
from orchestrator_server.robots.service import sql

SOON_SECONDS = 5  # much less than they wait


@pytest.fixture(autouse=True)
def no_look(monkeypatch):
    """Only what wakes can wake anybody."""
    monkeypatch.setattr(loop, "LOOK_SECONDS", 3600)


async def waiting(robot, server):
    """It waits at the server by now."""
    before = server[WAKEUPS].count
    asks = {"claim_key": "k", "wait_seconds": 20}
    claim = asyncio.create_task(robot.ask("POST", "/api/runner/next-job", json=asks))
    async with asyncio.timeout(10):
        while server[WAKEUPS].count == before:
            await asyncio.sleep(0.01)
    return claim


async def soon(claim):
    async with asyncio.timeout(SOON_SECONDS):
        return await claim


async def id_of(admin, name):
    return next(one["id"] for one in await admin.get("/api/robots") if one["name"] == name)


async def test_a_robot_that_is_given_a_label_is_given_a_job_of_it(admin, server):
    robot = await admin.make_robot("mill")
    await admin.make_job(await admin.make_process(labels=["sap"]))
    claim = await waiting(robot, server)
    number = await id_of(admin, "mill")
    await admin.ask("PUT", f"/api/robots/{number}", status=200, json={"labels": ["sap"]})
    assert (await soon(claim)).body["job"]


async def test_a_robot_that_gets_a_desktop_is_given_a_job_that_needs_one(admin, server):
    robot = await admin.make_robot("mill")
    await admin.make_job(await admin.make_process(labels=["desktop"]))
    claim = await waiting(robot, server)
    await robot.post("/api/runner/heartbeat", 200, jobs=[], machine_info={"has_desktop": True})
    assert (await soon(claim)).body["job"]


async def test_a_job_is_not_lost_on_robots_that_are_paused(admin, server):
    process = await admin.make_process()
    paused = []
    for number in range(3):
        robot = await admin.make_robot(f"paused {number}")
        await admin.post(f"/api/robots/{await id_of(admin, f'paused {number}')}/pause", 200)
        paused.append(await waiting(robot, server))
    claim = await waiting(await admin.make_robot("free"), server)
    await admin.make_job(process)
    assert (await soon(claim)).body["job"]
    for one in paused:
        one.cancel()


async def test_a_robot_that_is_paused_while_it_waits_takes_nothing(admin, server):
    process = await admin.make_process()
    first = await waiting(await admin.make_robot("first"), server)
    second = await waiting(await admin.make_robot("second"), server)
    await admin.post(f"/api/robots/{await id_of(admin, 'first')}/pause", 200)
    await admin.make_job(process)
    assert (await soon(second)).body["job"]
    assert not first.done()
    first.cancel()


async def test_a_robot_that_is_deleted_while_it_waits_is_sent_away(admin, server):
    claim = await waiting(await admin.make_robot("mill"), server)
    await admin.ask("DELETE", f"/api/robots/{await id_of(admin, 'mill')}", status=204)
    assert (await soon(claim)).status == 401


async def test_a_robot_that_was_deleted_elsewhere_this_moment_is_given_nothing(admin, server):
    robot = await admin.make_robot("mill")
    await robot.post("/api/runner/heartbeat", 200, jobs=[])  # it is known here
    number = await id_of(admin, "mill")
    await server[DATABASE].write(lambda tx: tx.run(sql.delete, id=number, reason=None))
    job = await admin.make_job(await admin.make_process())
    assert (await robot.ask("POST", "/api/runner/next-job", json={})).status == 401
    assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "pending"


async def test_word_about_a_job_reaches_all_who_wait_for_it(admin, server):
    await admin.make_job(await admin.make_process())
    robot = await admin.make_robot()
    await robot.post("/api/runner/next-job", 200, claim_key="k")
    path = "/api/runner/jobs/1/order?attempt=1&wait_seconds=20"
    # One of them may be of a connection that died.
    asking = [asyncio.create_task(robot.get(path)) for _ in range(2)]
    async with asyncio.timeout(10):
        while server[ORDERS].count < 2:
            await asyncio.sleep(0.01)
    await admin.post("/api/jobs/1/cancel", 200)
    for one in asking:
        assert (await soon(one))["action"] == "stop"
