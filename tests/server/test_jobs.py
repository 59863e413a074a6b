"""What the server promises about jobs, over its API."""

import asyncio
import io

import msgspec
import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE, WAKEUPS


class Late(msgspec.Struct):
    late_report: dict


async def claim(robot, **wanted):
    return await robot.post("/api/runner/next-job", 200, **wanted)


async def report(robot, job, **said):
    said = {"status": "completed", "attempt": job.get("attempt", 1), **said}
    return await robot.post(f"/api/runner/jobs/{job['id']}/update", **said)


@pytest.fixture
async def process(admin):
    return await admin.make_process()


@pytest.fixture
async def robot(admin):
    return await admin.make_robot()


async def test_a_job_goes_to_one_robot_and_back_with_its_result(admin, process, robot, clock):
    asked = await admin.make_job(process, parameters={"foo": "bar"})
    clock.advance(seconds=5)
    job = (await claim(robot))["job"]
    clock.advance(seconds=60)
    assert (await report(robot, job, result={"rows": 3})).body == {"status": "ok"}

    done = await admin.get(f"/api/jobs/{asked['id']}")
    assert job["parameters"] == {"foo": "bar"}
    assert (job["attempt"], job["redelivered"]) == (1, False)
    assert (done["status"], done["result"], done["attempt"]) == ("completed", {"rows": 3}, 1)
    assert (done["started_at"], done["finished_at"]) == (
        "2030-01-01T00:00:05Z",
        "2030-01-01T00:01:05Z",
    )


async def test_the_same_request_gets_the_same_job(admin, process, robot):
    await admin.make_job(process)
    await admin.make_job(process)
    first = (await claim(robot, claim_key="k1"))["job"]
    again = (await claim(robot, claim_key="k1"))["job"]
    other = (await claim(robot, claim_key="k2"))["job"]
    assert first["id"] == again["id"] == other["id"]
    assert [job["redelivered"] for job in (first, again, other)] == [False, True, True]
    assert first["job_token"] == again["job_token"]
    assert other["claim_key"] == "k1"


async def test_a_key_that_was_granted_something_is_never_granted_anything_new(
    admin, process, robot
):
    await admin.make_job(process)
    await admin.make_job(process)
    job = (await claim(robot, claim_key="k1"))["job"]
    await report(robot, job)
    assert await claim(robot, claim_key="k1") == {"job": None, "key_used": True}
    assert (await claim(robot, claim_key="k2"))["job"] is not None


async def test_the_next_job_comes_with_the_answer_to_a_report(admin, process, robot):
    for _ in range(3):
        await admin.make_job(process)
    first = (await claim(robot, claim_key="k1", agent_instance="a"))["job"]
    question = {"claim_key": "k2", "agent_instance": "a"}
    answer = (await report(robot, first, next_job=question)).body
    second = answer["job"]
    assert (answer["status"], second["id"], second["claim_key"]) == ("ok", first["id"] + 1, "k2")
    again = (await report(robot, first, next_job=question)).body
    assert (again["already"], again["job"]) == (True, {**second, "redelivered": True})
    assert (await claim(robot, claim_key="k2", agent_instance="a"))["job"]["id"] == second["id"]
    assert (await admin.get(f"/api/jobs/{first['id']}"))["status"] == "completed"

    await report(robot, second)
    late = (await report(robot, first, next_job=question)).body
    assert late == {"status": "ok", "already": True}  # its key is used up


async def test_a_report_that_is_refused_takes_no_job(admin, process, robot):
    await admin.make_job(process)
    waiting = await admin.make_job(process)
    job = (await claim(robot, claim_key="k1"))["job"]
    question = {"claim_key": "k2"}
    assert (await report(robot, {**job, "attempt": 9}, next_job=question)).status == 409
    await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    answer = await report(robot, job, next_job=question)
    assert (answer.status, answer.kind) == (409, "job-canceled")
    assert (await admin.get(f"/api/jobs/{waiting['id']}"))["status"] == "pending"


async def test_a_paused_robot_gets_no_job_with_its_report(admin, process, robot):
    await admin.make_job(process)
    await admin.make_job(process)
    job = (await claim(robot, claim_key="k1"))["job"]
    [known] = await admin.get("/api/robots")
    await admin.post(f"/api/robots/{known['id']}/pause", 200)
    answer = await report(robot, job, next_job={"claim_key": "k2"})
    assert answer.body == {"status": "ok"}


async def test_who_asks_as_another_robot_reports_nothing(admin, process, robot):
    await admin.make_job(process)
    job = (await claim(robot, claim_key="k1"))["job"]
    [known] = await admin.get("/api/robots")
    question = {"claim_key": "k2", "robot_id": known["id"] + 1}
    answer = await report(robot, job, next_job=question)
    assert answer.status == 403
    assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "running"


async def test_another_agent_of_the_same_robot_is_refused(admin, process, robot):
    await admin.make_job(process)
    await claim(robot, agent_instance="a")
    answer = await robot.post("/api/runner/next-job", agent_instance="b")
    assert (answer.status, answer.kind) == (409, "robot-in-use")


async def test_nothing_to_do_leaves_no_trace(admin, robot):
    before = (await admin.get("/api/audit"))["total"]
    assert await claim(robot) == {"job": None}
    assert (await admin.get("/api/audit"))["total"] == before


async def test_a_hundred_requests_of_one_robot_take_one_job(admin, process, robot):
    for _ in range(5):
        await admin.make_job(process)
    answers = await asyncio.gather(*(claim(robot) for _ in range(100)))
    assert len({(answer["job"]["id"], answer["job"]["attempt"]) for answer in answers}) == 1


async def test_priority_comes_before_age(admin, process, robot):
    await admin.make_job(process)
    urgent = await admin.make_job(process, priority=5)
    assert (await claim(robot))["job"]["id"] == urgent["id"]


async def test_a_job_for_another_robot_is_left_alone(admin, process, robot):
    other = await admin.post("/api/robots", 201, name="other")
    await admin.make_job(process, robot_id=other["id"])
    assert (await claim(robot))["job"] is None
    theirs = admin.as_(**{"X-Robot-Token": other["api_token"]})
    assert (await claim(theirs))["job"] is not None


async def test_a_job_waits_for_its_time(admin, process, robot, clock):
    await admin.make_job(process, not_before="2030-01-01T00:10:00Z")
    assert (await claim(robot))["job"] is None
    clock.advance(minutes=10)
    assert (await claim(robot))["job"] is not None


@pytest.mark.parametrize("result", [None, 0, False, "text", [1, 2], {"a": None}, 1e300])
async def test_any_json_value_can_be_a_result_and_is_recorded_once(admin, process, robot, result):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    assert (await report(robot, job, result=result)).body == {"status": "ok"}
    assert (await report(robot, job, result=result)).body == {"status": "ok", "already": True}
    assert (await admin.get(f"/api/jobs/{job['id']}"))["result"] == result


async def test_a_different_second_report_is_refused(admin, process, robot):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    await report(robot, job, result=1)
    answer = await report(robot, job, result=2)
    assert (answer.status, answer.kind) == (409, "result-conflict")
    assert (await admin.get(f"/api/jobs/{job['id']}"))["result"] == 1


@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ({"attempt": 2}, 409, "not-claimed"),
        ({"attempt": 0}, 422, "invalid"),
        ({"attempt": "1"}, 422, "invalid"),
        ({"status": "running"}, 422, "invalid"),
        ({"status": "canceled"}, 422, "invalid"),
    ],
)
async def test_a_report_that_does_not_fit_is_refused(admin, process, robot, said, status, kind):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    answer = await report(robot, job, **said)
    assert (answer.status, answer.kind) == (status, kind)


async def test_a_job_nobody_claimed_cannot_be_reported(admin, process, robot):
    job = await admin.make_job(process)
    assert (await report(robot, job, attempt=1)).kind == "not-claimed"


async def test_a_robot_cannot_report_the_job_of_another(admin, process, robot):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    other = await admin.make_robot("other")
    assert (await report(other, job)).status == 403
    assert (
        await other.post(f"/api/runner/jobs/{job['id']}9/update", status="failed")
    ).status == 404


async def test_a_client_of_the_seed_needs_no_attempt_and_sends_its_log_whole(admin, process, robot):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    path = f"/api/runner/jobs/{job['id']}/update"
    answer = await robot.post(path, 200, status="failed", error_message="no", logs="all of it\n")
    assert answer == {"status": "ok"}
    assert await admin.get(f"/api/jobs/{job['id']}/logs") == b"all of it\n"


async def test_cancel_is_for_good(admin, process, robot):
    job = await admin.make_job(process)
    canceled = await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    assert (canceled["status"], canceled["reason"]) == ("canceled", "canceled_by_user")
    assert (await claim(robot))["job"] is None
    assert await admin.post(f"/api/jobs/{job['id']}/cancel", 200) == canceled


async def test_a_canceled_job_is_stopped_and_its_late_report_changes_nothing(
    admin, process, robot, server
):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    beat = await robot.post("/api/runner/heartbeat", 200, jobs=[{"id": job["id"], "attempt": 1}])
    assert [action["action"] for action in beat["jobs"]] == ["stop"]
    answer = await report(robot, job, result="late")
    assert (answer.status, answer.kind) == (409, "job-canceled")
    assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "canceled"
    kept = await server[DATABASE].read(
        lambda tx: tx.all(Query("late", "SELECT late_report FROM attempts"), Late)
    )
    assert [attempt.late_report["result"] for attempt in kept] == ["late"]


async def test_a_finished_job_is_answered_unchanged_by_cancel(admin, process, robot):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    await report(robot, job)
    assert (await admin.post(f"/api/jobs/{job['id']}/cancel", 200))["status"] == "completed"


async def test_a_process_with_unfinished_jobs_stays(admin, process):
    job = await admin.make_job(process)
    answer = await admin.ask("DELETE", f"/api/processes/{process['id']}")
    assert answer.status == 409
    await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    assert (await admin.ask("DELETE", f"/api/processes/{process['id']}")).status == 204
    assert (await admin.get(f"/api/jobs/{job['id']}"))["process_name"] == "hello"


async def test_parameters_may_be_the_text_of_an_object(admin, process):
    job = await admin.make_job(process, parameters='{"a": 1}')
    assert job["parameters"] == {"a": 1}
    for text in ("[1]", "not json"):
        answer = await admin.post("/api/jobs", process_id=process["id"], parameters=text)
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "#/parameters")


async def test_a_job_runs_what_its_process_said_with_its_own_parameters_on_top(admin):
    process = await admin.make_process(
        default_parameters={"a": 1, "b": 1}, timeout_seconds=7, priority=3
    )
    job = await admin.make_job(process, parameters={"b": 2})
    assert job["parameters"] == {"a": 1, "b": 2}
    assert (job["timeout_seconds"], job["priority"]) == (7, 3)


async def test_every_step_is_in_the_audit_trail(admin, process, robot):
    asked = await admin.make_job(process)
    job = (await claim(robot))["job"]
    await report(robot, job)
    page = await admin.get(f"/api/audit?entity_type=job&entity_id={asked['id']}")
    told = [(e["actor_username"], e["action"], e["action_type"]) for e in page["items"]]
    assert told[::-1] == [
        ("admin", "job.created", "created"),
        ("robot", "job.claimed", "status_changed"),
        ("robot", "job.completed", "status_changed"),
    ]


async def test_a_refused_change_leaves_no_audit_event(admin, process, robot):
    job = await admin.make_job(process)
    before = (await admin.get("/api/audit"))["total"]
    await report(robot, job)
    assert (await admin.get("/api/audit"))["total"] == before


async def test_a_robot_that_waits_is_woken_by_a_new_job(admin, process, robot, server):
    waiting = asyncio.create_task(claim(robot, wait_seconds=20))
    async with asyncio.timeout(5):
        while not server[WAKEUPS].count:
            await asyncio.sleep(0.01)
        job = await admin.make_job(process)
        assert (await waiting)["job"]["id"] == job["id"]


async def test_a_job_token_opens_its_own_job_while_it_runs_and_nothing_else(
    admin, process, robot, api
):
    await admin.make_job(process)
    job = (await claim(robot))["job"]
    script = api.as_(Authorization=f"Bearer {job['job_token']}")
    assert (await script.get("/api/runtime/job"))["id"] == job["id"]
    assert (await script.ask("GET", "/api/jobs")).status == 401
    assert (await script.ask("POST", "/api/runner/next-job", json={})).status == 401
    await report(robot, job)
    assert (await script.ask("GET", "/api/runtime/job")).status == 401
    forged = api.as_(Authorization=f"Bearer {job['job_token'][:-1]}A")
    assert (await forged.ask("GET", "/api/runtime/job")).status == 401


async def test_a_log_grows_at_its_end_and_nowhere_else(admin, process, robot):
    await admin.make_job(process)
    job = (await claim(robot))["job"]

    async def send(offset, chunk, attempt=1):
        path = f"/api/runner/jobs/{job['id']}/logs?attempt={attempt}&offset={offset}"
        headers = {"Content-Type": "application/octet-stream"}
        return await robot.ask("POST", path, data=io.BytesIO(chunk), headers=headers)

    assert (await send(0, b"one \xff")).body == {"next_offset": 5}
    assert (await send(0, b"one \xff two")).body == {"next_offset": 9}
    assert (await send(0, b"one")).body == {"next_offset": 9}
    gap = await send(100, b"x")
    assert (gap.status, gap.body["next_offset"]) == (416, 9)
    assert (await send(0, b"x", attempt=2)).status == 404
    assert (await send(-1, b"x")).status == 422
    assert (await send(9, b"x" * (256 * 1024 + 1))).status == 413
    answer = await admin.ask("GET", f"/api/jobs/{job['id']}/logs?offset=4")
    assert (answer.body, answer.headers["X-Next-Offset"]) == (b"\xff two", "9")
