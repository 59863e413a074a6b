"""A job that may start again does so by cause, after a pause, and never when that cannot help."""

import pytest

from tests.server.test_lost_robots import state_of


async def fail(robot, job, attempt, reason="script_failed", **more):
    return await robot.post(
        f"/api/runner/jobs/{job['id']}/update", status="failed", attempt=attempt,
        reason=reason, started="yes", error_message=f"attempt {attempt}", **more,
    )  # fmt: skip


async def next_job(robot, key):
    return (await robot.post("/api/runner/next-job", 200, claim_key=key))["job"]


@pytest.mark.parametrize(
    "reason",
    ["script_failed", "script_timeout", "start_failed", "environment_failed", "package_corrupt",
     "out_of_memory"],
)  # fmt: skip
async def test_what_may_go_otherwise_is_tried_again_after_a_pause(admin, claimed, clock, reason):
    robot, job = await claimed(max_attempts=3)
    assert (await fail(robot, job, 1, reason)).status == 200
    waiting = await state_of(admin, job)
    assert (waiting["status"], waiting["robot_id"], waiting["finished_at"]) == (
        "pending", None, None,
    )  # fmt: skip
    assert await next_job(robot, "k2") is None
    clock.advance(seconds=10)
    assert (await next_job(robot, "k3"))["attempt"] == 2
    assert (await fail(robot, job, 2, reason)).status == 200
    clock.advance(seconds=19)
    assert await next_job(robot, "k4") is None
    clock.advance(seconds=1)
    assert (await next_job(robot, "k5"))["attempt"] == 3
    await fail(robot, job, 3, reason)
    ended = await state_of(admin, job)
    assert (ended["status"], ended["reason"], ended["attempt"]) == ("failed", reason, 3)
    attempts = await admin.get(f"/api/jobs/{job['id']}/attempts")
    assert sorted(a["error_message"] for a in attempts) == ["attempt 1", "attempt 2", "attempt 3"]


@pytest.mark.parametrize(
    ("reason", "more"),
    [("script_failed", {"error_type": "business"}), ("parameters_invalid", {}),
     ("package_missing", {}), ("output_limit", {}), ("operator", {})],
)  # fmt: skip
async def test_what_would_go_the_same_way_is_not(admin, claimed, reason, more):
    robot, job = await claimed(max_attempts=3)
    assert (await fail(robot, job, 1, reason, **more)).status == 200
    ended = await state_of(admin, job)
    assert (ended["status"], ended["reason"]) == ("failed", reason)


async def test_a_restarted_agent_does_not_make_the_job_wait(claimed):
    robot, job = await claimed(max_attempts=2)
    await fail(robot, job, 1, "agent_restarted")
    assert (await next_job(robot, "k2"))["attempt"] == 2


async def test_what_a_person_asked_to_finish_is_not_begun_again(admin, claimed):
    robot, job = await claimed(max_attempts=2)
    await admin.post(f"/api/jobs/{job['id']}/stop", 200)
    await fail(robot, job, 1)
    assert (await state_of(admin, job))["status"] == "failed"


async def test_a_report_that_is_repeated_changes_nothing_the_second_time(admin, claimed):
    robot, job = await claimed(max_attempts=2)
    await fail(robot, job, 1)
    assert (await fail(robot, job, 1)).body == {"status": "ok", "already": True}
    assert (await fail(robot, job, 1, "script_timeout")).kind == "result-conflict"
    assert (await state_of(admin, job))["status"] == "pending"


async def test_the_audit_says_when_it_may_begin_again(admin, claimed):
    robot, job = await claimed(max_attempts=2)
    await fail(robot, job, 1)
    timeline = await admin.get(f"/api/jobs/{job['id']}/timeline")
    assert (timeline[-1]["what"], timeline[-1]["by"]) == ("requeued", "robot")
    assert timeline[-1]["details"]["not_before"] == "2030-01-01T00:00:10Z"
    explained = await admin.get(f"/api/jobs/{job['id']}/explain")
    assert "not to start before" in str(explained)


async def test_an_item_it_held_goes_back_with_the_attempt(admin, claimed):
    robot, job = await claimed(max_attempts=2)
    await admin.post("/api/queues", 201, name="work", max_retries=1)
    await admin.post("/api/queue-items", 201, queue_id=1, payload={})
    taken = await robot.post("/api/queue-items/claim", 200, queue="work", claim_key="i1")
    assert taken["item"]["job_id"] == job["id"]
    await fail(robot, job, 1)
    [item] = await admin.get("/api/queue-items")
    assert (item["status"], item["retries"]) == ("new", 1)
