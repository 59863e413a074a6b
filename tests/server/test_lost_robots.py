"""No job stays running for ever: a robot that falls silent loses it."""

import pytest

from orchestrator_server.http.keys import DATABASE, MAINTENANCE, SETTINGS
from orchestrator_server.jobs import lifecycle
from orchestrator_server.jobs import service as jobs
from orchestrator_server.maintenance import leases, lost_robots
from sdk.contract.jobs import JobStatus
from tests.server.test_overlap import overlapping


async def look(server):
    return await server[DATABASE].write(lost_robots.run_once)


async def state_of(admin, job):
    return await admin.get(f"/api/jobs/{job['id']}")


async def test_a_silent_robot_loses_its_job_when_the_lease_ends(server, admin, claimed, clock):
    robot, job = await claimed()
    clock.advance(seconds=59)
    assert await look(server) == 0
    clock.advance(seconds=1)
    assert await look(server) == 1
    lost = await state_of(admin, job)
    assert (lost["status"], lost["reason"]) == ("failed", "robot_lost")
    assert "lease ended at 00:01:00 UTC" in lost["error_message"]
    beat = await robot.post("/api/runner/heartbeat", 200, jobs=[{"id": job["id"], "attempt": 1}])
    assert beat["jobs"][0]["action"] == "forget"


async def test_a_beat_renews_the_lease_of_what_it_names(server, admin, claimed, clock):
    robot, job = await claimed()
    clock.advance(seconds=50)
    named = {"id": job["id"], "attempt": 1, "progress": {"fraction": 0.5, "message": "half"}}
    beat = await robot.post("/api/runner/heartbeat", 200, jobs=[named])
    assert beat["jobs"] == [{"id": job["id"], "attempt": 1, "action": "continue"}]
    clock.advance(seconds=50)
    assert await look(server) == 0
    now = await state_of(admin, job)
    assert (now["status"], now["progress"]) == ("running", {"fraction": 0.5, "message": "half"})


async def test_a_beat_that_names_nothing_renews_nothing(server, admin, claimed, clock):
    robot, _ = await claimed()
    clock.advance(seconds=50)
    await robot.post("/api/runner/heartbeat", 200, jobs=[])
    clock.advance(seconds=10)
    assert await look(server) == 1


async def test_a_client_of_the_seed_renews_its_job_by_any_beat(server, claimed, clock):
    robot, _ = await claimed()
    clock.advance(seconds=50)
    await robot.post("/api/runner/heartbeat", 200)
    clock.advance(seconds=10)
    assert await look(server) == 0


async def test_with_attempts_left_the_job_waits_again_and_the_late_report_changes_nothing(
    server, admin, claimed, clock
):
    robot, job = await claimed(max_attempts=2)
    clock.advance(seconds=60)
    await look(server)
    assert (await state_of(admin, job))["status"] == "pending"

    update = f"/api/runner/jobs/{job['id']}/update"
    late = await robot.post(update, status="completed", attempt=1)
    assert (late.status, late.kind) == (409, "stale-attempt")

    second = (await robot.post("/api/runner/next-job", 200, claim_key="k2"))["job"]
    assert second["attempt"] == 2
    assert (await robot.post(update, status="completed")).status == 422  # which attempt?
    await robot.post(update, 200, status="completed", attempt=2, result="second")
    assert (await state_of(admin, job))["result"] == "second"


async def test_the_last_attempt_is_the_last(server, admin, claimed, clock):
    robot, job = await claimed(max_attempts=2)
    for key in ("k2", "k3"):
        clock.advance(seconds=60)
        await look(server)
        await robot.post("/api/runner/next-job", 200, claim_key=key)
    assert (await state_of(admin, job))["status"] == "failed"


async def test_what_a_person_asked_to_finish_is_not_begun_again(server, admin, claimed, clock):
    _, job = await claimed(max_attempts=2)
    await admin.post(f"/api/jobs/{job['id']}/stop", 200)
    clock.advance(seconds=60)
    assert await look(server) == 1
    assert (await state_of(admin, job))["status"] == "failed"


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_the_watchdog_leaves_a_job_that_is_being_ended(server, admin, claimed, clock):
    _, job = await claimed()
    clock.advance(seconds=60)

    def finish(tx):
        state = tx.one(jobs.sql.lock_state, lifecycle.State, missing="", id=job["id"])
        jobs.end(tx, state, JobStatus.COMPLETED)

    assert await overlapping(server[DATABASE], finish, lost_robots.run_once) == [None, 0]
    assert (await state_of(admin, job))["status"] == "completed"


async def test_after_a_start_everybody_has_a_whole_lease(server, claimed, clock):
    await claimed()
    clock.advance(hours=1)
    await server[DATABASE].write(leases.begin_anew, server[SETTINGS].jobs)
    assert await look(server) == 0
    clock.advance(seconds=60)
    assert await look(server) == 1


async def test_a_watchdog_that_comes_late_gives_new_leases_instead_of_ending_jobs(
    server, admin, claimed, clock
):
    _, job = await claimed()
    clock.advance(hours=1)
    await server[MAINTENANCE]._tick(late_seconds=180)
    assert (await state_of(admin, job))["status"] == "running"
    await server[MAINTENANCE]._tick(late_seconds=0)
    assert (await state_of(admin, job))["status"] == "running"
    clock.advance(seconds=60)
    await server[MAINTENANCE]._tick(late_seconds=0)
    assert (await state_of(admin, job))["status"] == "failed"
