"""Queues and their items: put in once, taken by one, finished or given back."""

import asyncio

import pytest

from orchestrator_server.http.keys import DATABASE, SETTINGS
from orchestrator_server.maintenance import leases, lost_items
from orchestrator_server.queue_items.lifecycle import ROBOT_LEASE_SECONDS


async def make_queue(admin, name="bills", **wanted):
    return await admin.post("/api/queues", 201, name=name, **wanted)


async def add(admin, queue, status=201, **wanted):
    wanted = {"queue_id": queue["id"], "payload": {}, **wanted}
    return await admin.post("/api/queue-items", status, **wanted)


async def put(admin, path, expected=200, **changes):
    return await admin.ask("PUT", path, status=expected, json=changes)


async def take(worker, queue="bills", **wanted):
    return await worker.post("/api/queue-items/claim", 200, queue=queue, **wanted)


async def tell(worker, item, how, status=200, **said):
    path = f"/api/queue-items/{item['id']}/{how}"
    return await worker.post(path, status, **{"attempt": item["attempt"], **said})


async def get(admin, item):
    return await admin.get(f"/api/queue-items/{item['id']}")


async def running_job(admin, robot, name="worker"):
    """A running job's own view of the server, and the job."""
    if not await admin.get(f"/api/processes?search={name}"):
        await admin.make_process(name)
    [process] = await admin.get(f"/api/processes?search={name}")
    await admin.make_job(process)
    job = (await robot.post("/api/runner/next-job", 200))["job"]
    return robot.as_(Authorization=f"Bearer {job['job_token']}"), job


@pytest.fixture
async def queue(admin):
    return await make_queue(admin)


@pytest.fixture
async def robot(admin):
    return await admin.make_robot()


async def test_a_queue_is_made_found_changed_and_deleted(admin):
    queue = await make_queue(admin, "Rechnungen", max_retries=2)
    assert await admin.get("/api/queues?search=rechn") == [queue]
    await admin.post("/api/queues", 409, name=" RECHNUNGEN")
    path = f"/api/queues/{queue['id']}"
    assert (await put(admin, path, is_active=False))["max_retries"] == 2
    assert await admin.get("/api/queues?active_only=true") == []
    await add(admin, queue, 409)
    await put(admin, path, is_active=True)
    item = await add(admin, queue)
    assert f"item {item['id']}" in (await admin.ask("DELETE", path, status=409))["detail"]
    await put(admin, f"/api/queue-items/{item['id']}", status="abandoned")
    await admin.ask("DELETE", path, status=204)
    await add(admin, queue, 409)
    assert (await admin.ask("GET", path)).status == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {"max_retries": -1},
        {"max_retries": 10**9},
        {"lease_seconds": 1},
        {"items": []},
        {"name": ""},
    ],
)
async def test_a_queue_that_makes_no_sense_is_refused(admin, wanted):
    assert (await admin.post("/api/queues", **{"name": "q", **wanted})).status == 422


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"priority": "high"}, 422),
        ({"priority": 2**40}, 422),
        ({"payload": "text"}, 422),
        ({"payload": {"x": "y" * 300_000}}, 413),
        ({"reference": "a\nb"}, 422),
        ({"reference": "a\x00b"}, 400),
        ({"reference": "x" * 1000}, 422),
        ({"attempt": 3}, 422),
        ({"retries": 0}, 422),
        ({"locked_by_robot_id": 1}, 422),
        ({"queue_id": 999}, 404),
    ],
)
async def test_an_item_that_makes_no_sense_is_refused(admin, queue, wanted, status):
    await add(admin, queue, status, **wanted)
    assert await admin.get("/api/queue-items") == []


async def test_items_go_by_priority_then_age_and_not_before_their_time(admin, queue, robot, clock):
    late = await add(admin, queue, defer_until="2030-01-01T01:00:00Z", priority=9)
    low, high = await add(admin, queue, priority=-1), await add(admin, queue, priority=1)
    assert [(await take(robot))["item"]["id"] for _ in range(2)] == [high["id"], low["id"]]
    assert await take(robot) == {"item": None}
    clock.advance(hours=1)
    assert (await take(robot))["item"]["id"] == late["id"]


async def test_an_item_whose_deadline_passed_is_given_up(admin, server, queue, robot, clock):
    item = await add(admin, queue, deadline="2030-01-01T00:10:00Z")
    clock.advance(minutes=11)
    assert await take(robot) == {"item": None}
    assert await server[DATABASE].write(lost_items.run_once) == 1
    given_up = await get(admin, item)
    assert (given_up["status"], given_up["error_message"]) == ("abandoned", "Its deadline passed.")


async def test_a_reference_is_unique_where_the_queue_wants_it(admin, queue):
    unique = await make_queue(admin, "unique", enforce_unique_reference=True)
    answers = await asyncio.gather(
        *(
            admin.post("/api/queue-items", queue_id=unique["id"], payload={}, reference="r1")
            for _ in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    for _ in range(2):
        await add(admin, queue, reference="r1")
        await add(admin, unique)
    assert len(await admin.get(f"/api/queue-items?queue_id={unique['id']}&reference=r1")) == 1


async def test_many_items_have_an_outcome_each(admin):
    queue = await make_queue(admin, enforce_unique_reference=True)
    first = await add(admin, queue, reference="a")
    items = [{"payload": {}, "reference": name} for name in ("a", "b", "b", "c")]
    answer = await admin.post(
        "/api/queue-items/bulk", 200, queue_id=queue["id"], items=[*items, {"payload": {"n": 1}}]
    )
    assert [(o["index"], o["status"]) for o in answer["items"]] == [
        (0, "duplicate"), (1, "created"), (2, "duplicate"), (3, "created"), (4, "created"),
    ]  # fmt: skip
    assert answer["items"][0]["id"] == first["id"]
    assert answer["items"][2]["id"] == answer["items"][1]["id"]
    assert (answer["created"], answer["duplicates"]) == (3, 2)
    bad = [{"payload": {}}, {"payload": 1}]
    refused = await admin.post("/api/queue-items/bulk", 422, queue_id=queue["id"], items=bad)
    assert refused["errors"][0]["pointer"] == "#/items/1/payload"
    assert len(await admin.get("/api/queue-items")) == 4


async def test_the_same_key_puts_one_item_in(admin, queue):
    body = {"queue_id": queue["id"], "payload": {}}
    answers = [
        await admin.ask("POST", "/api/queue-items", json=body, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    assert answers[0].body == answers[1].body
    assert len(await admin.get("/api/queue-items")) == 1


async def test_each_item_goes_to_one_worker(admin, queue):
    items = [{"payload": {"n": n}} for n in range(40)]
    await admin.post("/api/queue-items/bulk", 200, queue_id=queue["id"], items=items)
    robots = [await admin.make_robot(f"r{n}") for n in range(8)]

    async def work(robot, number):
        taken = []
        while item := (await take(robot, claim_key=f"k{number}-{len(taken)}"))["item"]:
            taken.append(item["id"])
            await tell(robot, item, "complete")
        return taken

    taken = await asyncio.gather(*(work(robot, n) for n, robot in enumerate(robots)))
    everything = [item for one in taken for item in one]
    assert len(everything) == len(set(everything)) == 40
    stats = await admin.get(f"/api/queues/{queue['id']}/stats")
    assert (stats["completed"], stats["new"], stats["oldest_new_at"]) == (40, 0, None)


async def test_a_key_takes_one_item_however_often_it_is_sent(admin, queue, robot):
    for _ in range(2):
        await add(admin, queue)
    first = await take(robot, claim_key="k")
    assert await take(robot, claim_key="k") == first
    await tell(robot, first["item"], "complete")
    assert await take(robot, claim_key="k") == {"item": None, "key_used": True}
    assert (await take(robot, claim_key="k2"))["item"]["id"] != first["item"]["id"]


async def test_only_its_holder_finishes_an_item_and_only_once(admin, queue, robot):
    item = await add(admin, queue)
    stranger = await admin.make_robot("stranger")
    held = (await take(robot))["item"]
    await tell(stranger, held, "complete", 409)
    await tell(robot, held, "complete", 409, attempt=2)
    done = await tell(robot, held, "complete", result={"sum": 7})
    assert (done["status"], done["result"], done["attempt"]) == ("completed", {"sum": 7}, 1)
    assert await tell(robot, held, "complete", result={"sum": 7}) == done
    other = await tell(robot, held, "complete", 409, result={"sum": 8})
    assert other["type"] == "/problems/stale-attempt"
    await tell(robot, held, "fail", 409)
    await tell(robot, held, "renew", 409)
    assert await get(admin, item) == done


async def test_an_application_error_is_tried_again_and_a_business_error_is_not(admin, robot):
    await make_queue(admin, max_retries=1)
    queue = (await admin.get("/api/queues"))[0]
    item = await add(admin, queue)
    first = (await take(robot))["item"]
    again = await tell(robot, first, "fail", error_message="The screen froze.")
    assert (again["status"], again["retries"]) == ("new", 1)
    assert (await tell(robot, first, "fail", error_message="The screen froze."))["status"] == "new"
    second = (await take(robot))["item"]
    dead = await tell(robot, second, "fail", error_message="It froze again.")
    assert (dead["status"], dead["error_type"]) == ("failed", "application")
    history = await admin.get(f"/api/queue-items/{item['id']}/attempts")
    assert [(a["attempt"], a["status"], a["error_message"]) for a in history] == [
        (1, "failed", "The screen froze."),
        (2, "failed", "It froze again."),
    ]
    business = await add(admin, queue)
    held = (await take(robot))["item"]
    refused = await tell(robot, held, "fail", error_type="business", error_message="No such IBAN.")
    assert (refused["status"], refused["retries"]) == ("failed", 0)
    dead_letters = await admin.get("/api/queue-items?dead_letters=true")
    assert [letter["id"] for letter in dead_letters] == [business["id"], item["id"]]
    assert (await admin.get(f"/api/queues/{queue['id']}/stats"))["dead_letters"] == 2
    revived = await put(admin, f"/api/queue-items/{item['id']}", status="new")
    assert (revived["status"], revived["retries"], revived["error_message"]) == ("new", 0, None)
    assert (await take(robot))["item"]["attempt"] == 3


@pytest.mark.parametrize("ending", ["completed", "failed", "canceled", "lost"])
async def test_what_a_job_holds_goes_back_when_it_ends(admin, server, clock, ending):
    await make_queue(admin, max_retries=1)
    queue = (await admin.get("/api/queues"))[0]
    done, left = await add(admin, queue, priority=1), await add(admin, queue)
    robot = await admin.make_robot()
    script, job = await running_job(admin, robot)
    await tell(script, (await take(script))["item"], "complete")
    held = (await take(script))["item"]
    assert (held["id"], held["job_id"]) == (left["id"], job["id"])
    if ending == "canceled":
        await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    elif ending == "lost":
        from orchestrator_server.maintenance import lost_robots

        clock.advance(seconds=61)
        await server[DATABASE].write(lost_robots.run_once)
    else:
        await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, status=ending)
    assert (await get(admin, done))["status"] == "completed"
    back = await get(admin, left)
    assert (back["status"], back["retries"], back["locked_by_robot_id"]) == ("new", 1, None)
    await tell(script, held, "complete", 401)
    [attempt] = await admin.get(f"/api/queue-items/{left['id']}/attempts")
    assert attempt["status"] == "returned"
    second, job = await running_job(admin, robot)
    await take(second)
    await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    assert (await get(admin, left))["status"] == "abandoned"


async def test_an_item_is_its_jobs_for_as_long_as_that_runs(admin, server, queue, clock):
    robot = await admin.make_robot()
    _, job = await running_job(admin, robot)
    item = await add(admin, queue)
    script, _ = robot.as_(Authorization=f"Bearer {job['job_token']}"), job
    await take(script)
    for _ in range(3):
        clock.advance(seconds=50)
        beat = [{"id": job["id"], "attempt": 1}]
        await robot.post("/api/runner/heartbeat", 200, jobs=beat)
        assert await server[DATABASE].write(lost_items.run_once) == 0
    assert (await get(admin, item))["status"] == "in_progress"


@pytest.mark.parametrize("lease_seconds", [60, None])
async def test_after_a_time_without_a_server_an_item_has_a_whole_lease(
    admin, server, robot, clock, lease_seconds
):
    queue = await make_queue(admin, lease_seconds=lease_seconds, max_retries=1)
    item = await add(admin, queue)
    await take(robot)
    clock.advance(hours=1)
    await server[DATABASE].write(leases.begin_anew, server[SETTINGS].jobs)
    assert await server[DATABASE].write(lost_items.run_once) == 0
    clock.advance(seconds=lease_seconds or ROBOT_LEASE_SECONDS)
    assert await server[DATABASE].write(lost_items.run_once) == 1
    assert (await get(admin, item))["status"] == "new"


async def test_a_lease_is_renewed_or_the_item_goes_back(admin, server, robot, clock):
    queue = await make_queue(admin, lease_seconds=60, max_retries=5)
    item = await add(admin, queue)
    held = (await take(robot))["item"]
    clock.advance(seconds=50)
    await tell(robot, held, "renew")
    clock.advance(seconds=50)
    assert await server[DATABASE].write(lost_items.run_once) == 0
    clock.advance(seconds=11)
    assert await server[DATABASE].write(lost_items.run_once) == 1
    assert (await get(admin, item))["status"] == "new"
    await tell(robot, held, "renew", 409)


async def test_an_item_is_changed_only_while_it_is_new(admin, queue, robot):
    item = await add(admin, queue)
    path = f"/api/queue-items/{item['id']}"
    changed = await put(admin, path, payload={"a": 1}, priority=3)
    assert (changed["payload"], changed["priority"]) == ({"a": 1}, 3)
    held = (await take(robot))["item"]
    for change in ({"priority": 1}, {"status": "completed"}, {"status": "new"}):
        await put(admin, path, 409, **change)
    await put(admin, path, 422, retries=0)
    assert (await admin.ask("DELETE", path)).status == 409
    await tell(robot, held, "complete")
    await put(admin, path, 409, status="new")
    await admin.ask("DELETE", path, status=204)
    assert (await admin.ask("GET", path)).status == 404


async def test_items_are_claimed_by_posting(admin, robot):
    assert (await robot.ask("GET", "/api/queue-items/claim")).status == 405
    assert (await admin.post("/api/queue-items/claim", queue="bills")).status == 401
    assert (await robot.post("/api/queue-items/claim", queue="nowhere")).status == 404


async def test_what_happens_to_items_is_in_the_audit_trail(admin, queue, robot):
    await add(admin, queue)
    await tell(robot, (await take(robot))["item"], "complete")
    page = await admin.get("/api/audit?entity_type=queue_item")
    assert [event["action"] for event in page["items"]] == [
        "queue_item.completed", "queue_item.claimed", "queue_item.created",
    ]  # fmt: skip
