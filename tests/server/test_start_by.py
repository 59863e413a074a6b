"""A job that must begin by a time does, or fails with the reason `expired`; it waits no longer."""

import pytest

from orchestrator_server.http.keys import DATABASE
from orchestrator_server.maintenance import expired_jobs
from tests.server.test_lost_robots import state_of


async def look(server):
    return await server[DATABASE].write(expired_jobs.run_once)


@pytest.fixture
async def late(admin):
    """Jobs 1 to 3: by ten seconds from now, by twenty, and without a time."""
    process = await admin.make_process()
    for seconds in (10, 20):
        await admin.post("/api/jobs", 201, process_id=process["id"],
                         start_by=f"2030-01-01T00:00:{seconds}Z")  # fmt: skip
    await admin.post("/api/jobs", 201, process_id=process["id"])


async def test_what_nobody_began_in_time_fails(server, admin, late, clock):
    assert await look(server) == 0
    clock.advance(seconds=10)
    assert await look(server) == 1
    assert await look(server) == 0
    job = await state_of(admin, {"id": 1})
    assert (job["status"], job["reason"], job["attempt"]) == ("failed", "expired", 0)
    assert "before 2030-01-01 00:00:10 UTC" in job["error_message"]
    timeline = await admin.get("/api/jobs/1/timeline")
    assert timeline[-1]["what"] == "failed"
    assert (await state_of(admin, {"id": 2}))["status"] == "pending"


async def test_a_robot_gets_only_what_it_may_still_begin(admin, late, clock):
    robot = await admin.make_robot()
    clock.advance(seconds=10)  # nobody has looked yet
    assert (await robot.post("/api/runner/next-job", 200, claim_key="a"))["job"]["id"] == 2


async def test_what_has_begun_in_time_may_end_later(server, admin, late, clock):
    robot = await admin.make_robot()
    assert (await robot.post("/api/runner/next-job", 200, claim_key="a"))["job"]["id"] == 1
    clock.advance(seconds=15)
    assert await look(server) == 0
    assert (await state_of(admin, {"id": 1}))["status"] == "running"


async def test_another_attempt_does_not_begin_after_it_either(server, admin, clock):
    process = await admin.make_process(max_attempts=3)
    start_by = "2030-01-01T00:00:08Z"
    await admin.post("/api/jobs", 201, process_id=process["id"], start_by=start_by)
    robot = await admin.make_robot()
    await robot.post("/api/runner/next-job", 200, claim_key="a")
    await robot.post("/api/runner/jobs/1/update", 200, status="failed", attempt=1)
    assert (await state_of(admin, {"id": 1}))["status"] == "pending"
    clock.advance(seconds=8)
    assert await look(server) == 1
    [attempt] = await admin.get("/api/jobs/1/attempts")
    assert (attempt["status"], attempt["reason"]) == ("failed", "script_failed")


@pytest.mark.parametrize(
    "times",
    [{"start_by": "2029-12-31T23:59:59Z"}, {"start_by": "2030-01-01T00:00:00Z"},
     {"start_by": "2030-01-02T00:00:00Z", "not_before": "2030-01-02T00:00:00Z"}],
)  # fmt: skip
async def test_a_time_that_cannot_be_kept_is_refused(admin, times):
    process = await admin.make_process()
    refused = await admin.post("/api/jobs", process_id=process["id"], **times)
    assert (refused.status, "#/start_by" in str(refused.body)) == (422, True)
    assert await admin.get("/api/jobs") == []
