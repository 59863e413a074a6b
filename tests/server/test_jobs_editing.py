"""What operators do with jobs: find, move, end, stop, run again, understand."""

import asyncio
import json

import pytest

from orchestrator_server.http.keys import MAINTENANCE, WAKEUPS


async def claim(robot):
    return (await robot.post("/api/runner/next-job", 200))["job"]


async def finish(robot, job, **said):
    said = {"status": "completed", "attempt": job["attempt"], **said}
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, **said)


async def put(admin, job, expected=200, **changes):
    return await admin.ask("PUT", f"/api/jobs/{job['id']}", status=expected, json=changes)


@pytest.fixture
async def process(admin):
    return await admin.make_process()


@pytest.fixture
async def robot(admin):
    return await admin.make_robot()


async def robot_id(admin, name="robot"):
    return (await admin.get(f"/api/robots?search={name}"))[0]["id"]


async def test_a_waiting_job_moves_to_another_robot_and_priority(admin, process, robot):
    one, two = await admin.make_job(process), await admin.make_job(process)
    other = await admin.make_robot("other")
    assert (await put(admin, two, priority=9))["priority"] == 9
    await put(admin, one, robot_id=await robot_id(admin, "other"))
    assert (await claim(robot))["id"] == two["id"]
    assert (await claim(other))["id"] == one["id"]
    await put(admin, one, 409, priority=1)


async def test_only_legal_moves_can_be_made_by_hand(admin, process, robot):
    job = await admin.make_job(process)
    await put(admin, job, 422, status="completed")
    await put(admin, job, 422, status="running")
    await put(admin, job, 409, status="failed")
    await put(admin, job, 422, result={"mine": 1})
    await put(admin, job, 404, robot_id=999)
    running = await claim(robot)
    failed = await put(admin, job, status="failed", error_message="The screen was locked.")
    assert (failed["status"], failed["reason"]) == ("failed", "operator")
    beat = await robot.post(
        "/api/runner/heartbeat", 200, jobs=[{"id": job["id"], "attempt": running["attempt"]}]
    )
    assert beat["jobs"][0]["action"] == "forget"
    for status in ("failed", "canceled"):
        await put(admin, job, 409, status=status)


async def test_a_person_asks_a_script_to_finish_early(admin, process, robot):
    job = await admin.make_job(process)
    assert (await admin.post(f"/api/jobs/{job['id']}/stop")).status == 409
    running = await claim(robot)
    asked = await admin.post(f"/api/jobs/{job['id']}/stop", 200)
    assert (asked["status"], asked["stop_requested_at"]) == ("running", "2030-01-01T00:00:00Z")
    named = [{"id": job["id"], "attempt": 1}]
    beat = await robot.post("/api/runner/heartbeat", 200, jobs=named)
    expected = {"id": job["id"], "attempt": 1, "action": "continue", "stop_requested": True}
    assert beat["jobs"] == [expected]
    await finish(robot, running)
    assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "completed"


async def test_a_job_that_ended_is_run_again_as_it_was(admin, process, robot):
    job = await admin.make_job(process, parameters={"a": 1}, priority=3, labels=[])
    await admin.post(f"/api/jobs/{job['id']}/retry", 409)
    await finish(robot, await claim(robot))
    path = f"/api/processes/{process['id']}"
    await admin.ask("PUT", path, status=200, json={"default_parameters": {"b": 2}})
    again = await admin.post(f"/api/jobs/{job['id']}/retry", 201)
    assert again["id"] != job["id"]
    assert (again["status"], again["parameters"], again["priority"]) == ("pending", {"a": 1}, 3)
    assert again["process_version"] == 1
    await admin.post(f"/api/jobs/{again['id']}/cancel", 200)
    await admin.ask("DELETE", path, status=204)
    await admin.post(f"/api/jobs/{job['id']}/retry", 409)


async def test_the_history_of_a_job_is_told(admin, process, robot, clock):
    job = await admin.make_job(process)
    clock.advance(seconds=1)
    await finish(robot, await claim(robot), status="failed", error_message="No paper.")
    [attempt] = await admin.get(f"/api/jobs/{job['id']}/attempts")
    assert (attempt["robot_name"], attempt["status"]) == ("robot", "failed")
    assert (attempt["reason"], attempt["error_message"]) == ("script_failed", "No paper.")
    events = await admin.get(f"/api/jobs/{job['id']}/timeline")
    assert [(e["what"], e["by"], e["attempt"]) for e in events] == [
        ("created", "admin", None),
        ("claimed", "robot", 1),
        ("failed", "robot", 1),
    ]
    assert (await admin.ask("GET", "/api/jobs/999/timeline")).status == 404


async def test_why_a_job_waits_is_told_for_each_robot(admin, process, clock):
    explain = f"/api/jobs/{(await admin.make_job(process, labels=['gpu']))['id']}/explain"
    assert (await admin.get(explain))["summary"] == "There are no robots; register one."
    for name in ("plain", "paused", "away", "busy", "good"):
        labels = [] if name == "plain" else ["gpu"]
        made = await admin.post("/api/robots", 201, name=name, labels=labels)
        worker = admin.as_(**{"X-Robot-Token": made["api_token"]})
        if name != "away":
            await worker.post("/api/runner/heartbeat", 200)
        if name == "paused":
            await admin.post(f"/api/robots/{made['id']}/pause", 200)
        if name == "busy":
            await admin.make_job(process, priority=10)
            await claim(worker)
    told = await admin.get(explain)
    busy_with = told["robots"][3]["why"]
    assert [robot["why"] for robot in told["robots"]] == [
        "It lacks the labels gpu.",
        "It is paused.",
        "It is offline.",
        busy_with,
        "It may take the job at its next request.",
    ]
    assert busy_with.startswith("It is running job ")
    assert [robot["fits"] for robot in told["robots"]] == [False] * 4 + [True]
    assert told["summary"] == "1 of 5 robots can take it; 0 jobs are before it."


async def test_what_is_not_due_yet_says_so(admin, process, robot):
    job = await admin.make_job(process, not_before="2030-01-02T00:00:00Z")
    told = await admin.get(f"/api/jobs/{job['id']}/explain")
    assert told["summary"] == "It is not to start before 2030-01-02 00:00:00 UTC."
    assert await claim(robot) is None


async def test_labels_decide_who_may_claim(admin, process):
    job = await admin.make_job(process, labels=["sap", "de"])
    made = [
        await admin.post("/api/robots", 201, name=name, labels=labels)
        for name, labels in (("a", []), ("b", ["sap"]), ("c", ["fr", "de", "sap"]))
    ]
    claimed = [await claim(admin.as_(**{"X-Robot-Token": robot["api_token"]})) for robot in made]
    assert [c and c["id"] for c in claimed] == [None, None, job["id"]]


async def test_no_more_jobs_of_a_process_run_than_it_allows(admin):
    process = await admin.make_process(concurrency_limit=2)
    other = await admin.make_process("other")
    jobs = [await admin.make_job(process) for _ in range(6)]
    free = await admin.make_job(other, priority=-5)
    robots = [await admin.make_robot(f"r{n}") for n in range(8)]
    claimed = await asyncio.gather(*(claim(robot) for robot in robots))
    mine = [job for job in claimed if job]
    assert len([job for job in mine if job["process"]["id"] == process["id"]]) == 2
    assert [job["id"] for job in mine if job["process"]["id"] == other["id"]] == [free["id"]]
    told = await admin.get(f"/api/jobs/{jobs[-1]['id']}/explain")
    assert told["limits"] == ["2 jobs of process hello are running, and at most 2 may."]
    holder = robots[claimed.index(next(job for job in mine if job["process"]["name"] == "hello"))]
    await finish(holder, next(j for j in mine if robots[claimed.index(j)] is holder))
    assert await claim(holder)


async def test_jobs_are_found_by_what_is_known_of_them(admin, process, clock):
    first = await admin.make_job(process)
    clock.advance(hours=1)
    bills = await admin.make_process("bills")
    path = f"/api/processes/{bills['id']}"
    bills = await admin.ask("PUT", path, status=200, json={"name": "Rechnung_100%"})
    second = await admin.make_job(bills)
    found = {
        "search=rechnung_1": [second],
        "search=%25": [second],
        "search=h%25": [],
        "created_after=2030-01-01T00:30:00Z": [second],
        "created_before=2030-01-01T00:30:00": [first],
        "source=trigger": [],
    }
    for query, jobs in found.items():
        assert await admin.get(f"/api/jobs?{query}") == jobs, query
    assert (await admin.ask("GET", "/api/jobs?created_after=yesterday")).status == 422


async def test_the_same_key_makes_one_job(admin, process, clock):
    async def ask(key="k1", **wanted):
        wanted = {"process_id": process["id"], **wanted}
        headers = {"Idempotency-Key": key}
        return await admin.ask("POST", "/api/jobs", json=wanted, headers=headers)

    answers = await asyncio.gather(*(ask() for _ in range(8)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 1
    assert len(await admin.get("/api/jobs")) == 1
    other = await ask(parameters={"a": 1})
    assert (other.status, other.kind) == (422, "idempotency-key-reused")
    assert (await ask(key="k2")).body["id"] != answers[0].body["id"]
    assert (await ask(key="bad key")).status == 400
    clock.advance(hours=24, seconds=1)
    token = await admin.sign_in()
    later = await token.ask(
        "POST", "/api/jobs", json={"process_id": process["id"]}, headers={"Idempotency-Key": "k1"}
    )
    assert later.body["id"] != answers[0].body["id"]


async def test_a_result_beyond_the_limit_that_is_set_is_refused(admin, process, robot):
    await admin.ask("PUT", "/api/settings/jobs", status=200, json={"result_limit_bytes": 1024})
    job = await admin.make_job(process)
    await claim(robot)
    path = f"/api/runner/jobs/{job['id']}/update"
    answer = await robot.post(path, status="completed", result="x" * 2000)
    assert answer.status == 413
    await robot.post(path, 200, status="completed", result="x" * 1000)


async def follow(admin, job, headers=None):
    """The events of a log until it ends."""
    events, event = [], {}
    path = f"{admin.url}/api/jobs/{job['id']}/logs/stream"
    async with admin.session.get(path, headers={**admin.headers, **(headers or {})}) as response:
        assert response.content_type == "text/event-stream"
        async for line in response.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                event[name] = value
            elif event:
                events.append(event)
                event = {}
    return [e for e in events if "data" in e]


async def write_log(robot, job, offset, chunk):
    path = f"/api/runner/jobs/{job['id']}/logs?attempt=1&offset={offset}"
    headers = {"Content-Type": "application/octet-stream"}
    await robot.ask("POST", path, status=200, data=chunk, headers=headers)


async def test_a_log_is_followed_live_and_from_where_the_reader_was(admin, process, robot):
    job = await admin.make_job(process)
    following = asyncio.create_task(follow(admin, job))
    running = await claim(robot)
    await write_log(robot, job, 0, b"erste\r\n")
    await write_log(robot, job, 7, "zweite ü".encode()[:-1])
    await write_log(robot, job, 15, "ü\n".encode()[1:])
    await finish(robot, running)
    events = await asyncio.wait_for(following, 10)
    text = "".join(json.loads(e["data"]) for e in events[:-1])
    assert text == "erste\r\nzweite ü\n"
    assert (events[-2]["id"], events[-1]["event"]) == ("17", "end")
    assert events[-1]["data"] == '{"status":"completed"}'
    rest = await follow(admin, job, {"Last-Event-ID": "7"})
    assert rest[0]["data"] == '"zweite ü\\n"'
    answer = await admin.ask(
        "GET", f"/api/jobs/{job['id']}/logs/stream", headers={"Last-Event-ID": "x"}
    )
    assert answer.status == 400


async def test_a_time_without_a_zone_is_utc_wherever_the_server_is(
    admin, process, robot, clock, monkeypatch
):
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        job = await admin.make_job(process, not_before="2030-01-01T01:00:00")
        assert job["not_before"] == "2030-01-01T01:00:00Z"
        east = await admin.make_job(process, not_before="2030-01-01T09:30:00+09:00")
        assert east["not_before"] == "2030-01-01T00:30:00Z"
        clock.advance(minutes=59)
        assert (await claim(robot))["id"] == east["id"]
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
async def test_a_time_beyond_the_calendar_is_refused(admin, process, when):
    assert (await admin.post("/api/jobs", process_id=process["id"], not_before=when)).status == 422
    query = when.replace("+", "%2B")
    assert (await admin.ask("GET", f"/api/jobs?created_after={query}")).status == 422


async def test_a_job_with_labels_finds_the_one_robot_that_fits_among_those_that_wait(
    admin, process, server
):
    made = [
        await admin.post("/api/robots", 201, name=f"r{n}", labels=["gpu"] if n == 4 else [])
        for n in range(5)
    ]
    workers = [admin.as_(**{"X-Robot-Token": robot["api_token"]}) for robot in made]
    server[MAINTENANCE]._tasks[1].cancel()  # nobody looks once a second
    asking = [
        asyncio.create_task(worker.post("/api/runner/next-job", 200, wait_seconds=20))
        for worker in workers
    ]
    while server[WAKEUPS].count < 5:
        await asyncio.sleep(0.01)
    await admin.make_job(process, labels=["gpu"])
    answer = await asyncio.wait_for(asking[4], 5)
    assert answer["job"]
    server[WAKEUPS].close()
    assert all(not answer["job"] for answer in await asyncio.gather(*asking[:4]))
