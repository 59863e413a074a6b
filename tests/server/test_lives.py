"""An attempt is started by one life of an agent; a copy with the same identity is another."""

import asyncio
import threading

import pytest

from orchestrator_server.http.keys import DATABASE
from orchestrator_server.jobs import claiming
from orchestrator_server.maintenance import lost_robots


async def beat(robot, job, life=None):
    named = {"id": job["id"], "attempt": 1, **({"life": life} if life else {})}
    answer = await robot.post("/api/runner/heartbeat", 200, jobs=[named])
    return answer["jobs"][0]["action"]


async def test_the_first_life_that_says_so_starts_it_and_any_other_forgets_it(claimed):
    robot, job = await claimed()
    assert await beat(robot, job) == "continue"  # it is being made ready
    assert await beat(robot, job, "one") == "continue"
    assert await beat(robot, job, "other") == "forget"
    assert await beat(robot, job, "one") == "continue"


async def test_a_copy_does_not_renew_the_lease_of_what_it_may_not_start(server, claimed, clock):
    robot, job = await claimed()
    await beat(robot, job, "one")
    clock.advance(seconds=59)
    assert await beat(robot, job, "other") == "forget"
    clock.advance(seconds=1)
    assert await server[DATABASE].write(lost_robots.run_once) == 1


async def test_a_copy_does_not_end_what_it_did_not_start(admin, claimed):
    robot, job = await claimed()
    await beat(robot, job, "one")
    update = f"/api/runner/jobs/{job['id']}/update"
    refused = await robot.post(update, status="failed", attempt=1, life="other")
    assert (refused.status, refused.kind) == (409, "stale-attempt")
    await robot.post(update, 200, status="completed", attempt=1, life="one")
    assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "completed"


async def test_a_report_of_an_attempt_granted_to_another_key_is_of_a_lost_time(admin, claimed):
    """As after a restore of an older database, which gives the same number again."""
    robot, job = await claimed()
    update = f"/api/runner/jobs/{job['id']}/update"
    refused = await robot.post(update, status="completed", attempt=1, claim_key="before")
    assert (refused.status, refused.kind) == (409, "stale-attempt")
    await robot.post(update, 200, status="completed", attempt=1, claim_key="k")


async def test_a_report_without_either_is_taken_as_ever(claimed):
    robot, job = await claimed()
    await beat(robot, job, "one")
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, status="completed")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_what_is_handed_out_again_is_not_lost_meanwhile(server, claimed, clock, monkeypatch):
    robot, job = await claimed(max_attempts=2)
    looked, go_on = threading.Event(), threading.Event()
    check = claiming._must_be_the_same_agent

    def hold(*arguments):
        check(*arguments)
        looked.set()
        assert go_on.wait(10)

    monkeypatch.setattr(claiming, "_must_be_the_same_agent", hold)
    again = asyncio.create_task(robot.post("/api/runner/next-job", 200, claim_key="k"))
    await asyncio.to_thread(looked.wait, 10)
    clock.advance(seconds=60)
    lost = await server[DATABASE].write(lost_robots.run_once)
    go_on.set()
    handed = (await again)["job"]
    assert (lost, handed["id"], handed["claim_key"]) == (0, job["id"], "k")
