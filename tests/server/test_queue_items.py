"""Items in the hard cases: asked twice, held by two names, late, returned, changed by hand."""

import asyncio
import time
from datetime import timedelta

import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE
from orchestrator_server.maintenance import lost_items
from orchestrator_server.queue_items import lifecycle, service
from tests.db.test_query_plans import plan
from tests.server.test_queues import add, get, make_queue, put, running_job, take, tell

FILL = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO queue_items (queue_id, status, payload, claim_key, created_at, updated_at)
SELECT 1, CASE WHEN i % {every} THEN 'new' ELSE 'completed' END, '{{}}', 'k' || i, :now, :now
FROM n;
"""
QUEUE = """
INSERT INTO queues (id, name, name_key, created_at, updated_at) VALUES (1, 'q', 'q', '2030', '2030')
"""


@pytest.fixture
async def queue(admin):
    return await make_queue(admin, max_retries=3)


@pytest.fixture
async def robot(admin):
    return await admin.make_robot()


def path_of(item):
    return f"/api/queue-items/{item['id']}"


async def finish(robot, job, status="completed"):
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, status=status)


async def history(admin, item):
    return [one["status"] for one in await admin.get(path_of(item) + "/attempts")]


async def look(server):
    return await server[DATABASE].write(lost_items.run_once)


# Claims


async def test_sixteen_who_ask_at_once_take_each_of_fifty_items_once(admin, queue):
    items = [{"payload": {"n": n}} for n in range(50)]
    await admin.post("/api/queue-items/bulk", 200, queue_id=queue["id"], items=items)
    robots = [await admin.make_robot(f"r{n}") for n in range(16)]
    taken = []
    while got := [a["item"] for a in await asyncio.gather(*map(take, robots)) if a["item"]]:
        taken += [item["payload"]["n"] for item in got]
    assert sorted(taken) == list(range(50))


@pytest.mark.parametrize("in_a_job", [True, False])
async def test_a_key_sent_many_times_at_once_takes_one_item(
    admin, queue, robot, monkeypatch, in_a_job
):
    def slowly(*args, lease_end=lifecycle.lease_end):  # between the look at the key and the deed
        time.sleep(0.05)
        return lease_end(*args)

    monkeypatch.setattr(lifecycle, "lease_end", slowly)
    for _ in range(8):
        await add(admin, queue)
    worker = (await running_job(admin, robot))[0] if in_a_job else robot
    answers = await asyncio.gather(*(take(worker, claim_key="k") for _ in range(8)))
    assert len({answer["item"]["id"] for answer in answers}) == 1
    assert (await admin.get(f"/api/queues/{queue['id']}/stats"))["in_progress"] == 1


@pytest.mark.parametrize("in_a_job", [True, False])
async def test_a_late_copy_of_a_claim_takes_nothing_after_the_item_went_back(
    admin, queue, robot, in_a_job
):
    await add(admin, queue)
    worker = (await running_job(admin, robot))[0] if in_a_job else robot
    held = (await take(worker, claim_key="k"))["item"]
    await tell(worker, held, "fail")
    assert await take(worker, claim_key="k") == {"item": None, "key_used": True}
    assert (await take(worker, claim_key="k2"))["item"]["attempt"] == 2


async def test_a_key_is_one_jobs_own(admin, queue, robot):
    for _ in range(2):
        await add(admin, queue)
    first, job = await running_job(admin, robot)
    held = (await take(first, claim_key="1"))["item"]
    await tell(first, held, "complete")
    await finish(robot, job)
    second, _ = await running_job(admin, robot)
    assert (await take(second, claim_key="1"))["item"]["id"] != held["id"]


async def test_nothing_is_taken_from_a_queue_that_rests_but_what_is_held_is_told(
    admin, queue, robot
):
    for _ in range(2):
        await add(admin, queue)
    held = await take(robot, claim_key="k")
    await put(admin, f"/api/queues/{queue['id']}", is_active=False)
    assert await take(robot) == {"item": None}
    assert await take(robot, claim_key="k") == held
    await tell(robot, held["item"], "complete")


@pytest.mark.parametrize("every", [None, 100, 1])
async def test_a_claim_looks_only_at_what_waits(sqlite, every):
    await sqlite.write(lambda tx: tx.script(QUEUE))
    await sqlite.write(lambda tx: tx.run(Query("fill", FILL.format(every=every or 2))))
    if every is not None:
        await sqlite.write(lambda tx: tx.script("ANALYZE"))
    worker = {"queue_id": 1, "claim_key": "k1", "robot_id": 1, "job_id": 1}
    steps = await sqlite.read(plan, service.sql.claim, **worker, lease_until=None)
    assert "queue_items_waiting" in steps
    assert "TEMP B-TREE" not in steps
    steps = await sqlite.read(plan, service.sql.taken_with_key, **worker)
    assert "SCAN" not in steps.replace("SCAN (subquery", "")
    assert steps.count("queue_items_claim (job_id=? AND claim_key=?)") == 2


# Who holds an item


async def test_a_robot_finishes_what_it_took_before_its_job_began(admin, queue, robot):
    await add(admin, queue)
    held = (await take(robot))["item"]
    script, job = await running_job(admin, robot)
    await tell(script, held, "complete", 409)
    assert (await tell(robot, held, "renew"))["attempt"] == 1
    await finish(robot, job)
    assert (await tell(robot, held, "complete"))["status"] == "completed"


async def test_a_robot_may_repeat_what_it_said_after_its_job_has_ended(admin, queue, robot):
    await add(admin, queue)
    _, job = await running_job(admin, robot)
    held = (await take(robot))["item"]
    assert held["job_id"] == job["id"]
    done = await tell(robot, held, "complete", result=1)
    await finish(robot, job)
    assert await tell(robot, held, "complete", result=1) == done


async def test_an_item_outside_a_job_keeps_its_own_lease(admin, server, queue, robot, clock):
    item = await add(admin, queue)
    held = (await take(robot))["item"]
    _, job = await running_job(admin, robot)
    await tell(robot, held, "renew")
    await finish(robot, job)
    clock.advance(seconds=299)
    assert await look(server) == 0
    clock.advance(seconds=1)
    assert await look(server) == 1
    assert (await get(admin, item))["retries"] == 1
    assert await history(admin, item) == ["returned"]


async def test_who_renews_at_the_last_moment_keeps_the_item(
    admin, server, queue, robot, clock, monkeypatch
):
    item = await add(admin, queue)
    await take(robot)
    clock.advance(seconds=300)

    def renewed_first(tx, item_id, locked=service.locked):
        tx.run(service.sql.renew, id=item_id, lease_until=tx.now + timedelta(seconds=1))
        return locked(tx, item_id)

    monkeypatch.setattr(service, "locked", renewed_first)
    assert await look(server) == 0
    assert (await get(admin, item))["status"] == "in_progress"


async def test_who_lost_an_item_cannot_finish_it_for_the_next_one(admin, server, queue, clock):
    await add(admin, queue)
    first, second = await admin.make_robot("first"), await admin.make_robot("second")
    lost = (await take(first))["item"]
    clock.advance(seconds=300)
    await look(server)
    held = (await take(second))["item"]
    for how in ("complete", "fail", "renew"):
        answer = await tell(first, lost, how, 409)
        assert answer["type"] == "/problems/stale-attempt"
    await tell(first, {**lost, "attempt": 2}, "complete", 409)
    assert (await tell(second, held, "complete"))["status"] == "completed"
    assert await history(admin, lost) == ["returned", "completed"]


async def test_an_item_nobody_finishes_is_given_up(admin, server, robot, clock):
    queue = await make_queue(admin, lease_seconds=10, max_retries=1)
    item = await add(admin, queue)
    for _ in range(2):
        await take(robot)
        clock.advance(seconds=10)
        assert await look(server) == 1
    assert await look(server) == 0
    given_up = await get(admin, item)
    assert (given_up["status"], given_up["retries"]) == ("abandoned", 1)
    page = await admin.get("/api/audit?entity_type=queue_item")
    told = [(event["actor_type"], event["action"]) for event in page["items"]][:3:2]
    assert told == [("system", "queue_item.abandoned"), ("system", "queue_item.returned")]


# By hand


async def test_an_item_whose_deadline_passed_needs_another_one_to_be_tried_again(
    admin, server, queue, robot, clock
):
    item = await add(admin, queue, deadline="2030-01-01T00:10:00Z")
    clock.advance(minutes=10)
    await look(server)
    refused = await put(admin, path_of(item), 409, status="new")
    assert "deadline" in refused["detail"]
    await put(admin, path_of(item), 409, status="new", deadline="2030-01-01T00:05:00")
    revived = await put(admin, path_of(item), status="new", deadline=None, payload={"a": 1})
    assert (revived["status"], revived["payload"]) == ("new", {"a": 1})
    assert (await take(robot))["item"]["id"] == item["id"]


async def test_a_new_item_can_be_given_a_deadline_by_hand(admin, server, queue, clock):
    item = await add(admin, queue)
    await put(admin, path_of(item), deadline="2030-01-01T00:10:00Z")
    clock.advance(minutes=10)
    assert await look(server) == 1
    assert (await get(admin, item))["status"] == "abandoned"


async def test_an_item_is_not_revived_in_a_queue_that_is_gone(admin, queue):
    item = await add(admin, queue)
    await put(admin, path_of(item), status="abandoned")
    await admin.ask("DELETE", f"/api/queues/{queue['id']}", status=204)
    await put(admin, path_of(item), 409, status="new")
    assert (await get(admin, item))["status"] == "abandoned"
    await add(admin, queue, 409)


async def test_giving_up_by_hand_keeps_the_count_of_retries(admin, queue, robot):
    item = await add(admin, queue)
    await tell(robot, (await take(robot))["item"], "fail")
    assert (await put(admin, path_of(item), status="abandoned"))["retries"] == 1
    assert (await put(admin, path_of(item), status="new"))["retries"] == 0


async def test_a_reference_can_be_changed_to_one_that_is_free(admin):
    queue = await make_queue(admin, enforce_unique_reference=True)
    first, second = [await add(admin, queue, reference=name) for name in ("a", "b")]
    refused = await put(admin, path_of(second), 409, reference="a")
    assert refused["type"] == "/problems/already-exists"
    await put(admin, path_of(second), 422, reference="a\nb")
    assert (await put(admin, path_of(second), reference="b", priority=1))["reference"] == "b"
    assert (await put(admin, path_of(first), reference=None))["reference"] is None
    assert (await put(admin, path_of(second), reference="a"))["reference"] == "a"
    await add(admin, queue, 409, reference="a")
    await add(admin, queue, reference="b")


async def test_an_item_that_was_edited_meanwhile_is_not_overwritten(admin, queue):
    item = await add(admin, queue)
    seen = (await admin.ask("GET", path_of(item))).headers["ETag"]
    await put(admin, path_of(item), priority=1)
    headers = {"If-Match": seen}
    answer = await admin.ask("PUT", path_of(item), json={"priority": 2}, headers=headers)
    assert (answer.status, (await get(admin, item))["priority"]) == (412, 1)


async def test_a_new_spelling_of_a_queues_name_is_cleaned_like_the_first(admin, queue):
    path = f"/api/queues/{queue['id']}"
    assert (await put(admin, path, name="  BILLS "))["name"] == "BILLS"
    await put(admin, path, 422, name="bills\u202e")
    await make_queue(admin, "other")
    await put(admin, path, 409, name=" Other")


# Many at once


async def test_what_does_not_fit_keeps_nothing_else_out(admin, queue):
    items = [
        {"payload": {"x": "y" * 300_000}},
        {"payload": {}, "reference": "a\nb"},
        {"payload": {"n": 1}},
    ]
    answer = await admin.post("/api/queue-items/bulk", 200, queue_id=queue["id"], items=items)
    assert [o["status"] for o in answer["items"]] == ["invalid", "invalid", "created"]
    assert ["KiB" in answer["items"][0]["detail"], answer["items"][0]["id"]] == [True, None]
    assert (answer["created"], answer["duplicates"], answer["invalid"]) == (1, 0, 2)
    newest = (await admin.get("/api/audit?entity_type=queue"))["items"][0]
    event = await admin.get(f"/api/audit/{newest['id']}")
    told = {"created": 1, "duplicates": 0, "invalid": 2}
    assert (event["action"], event["metadata"]) == ("queue.filled", told)


async def test_many_items_are_put_in_once_for_each_key(admin, queue):
    body = {"queue_id": queue["id"], "items": [{"payload": {"n": n}} for n in range(3)]}
    how = {"json": body, "headers": {"Idempotency-Key": "one"}}
    answers = [await admin.ask("POST", "/api/queue-items/bulk", **how) for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert len(await admin.get("/api/queue-items")) == 3
    for count in (0, 1001):
        body = {"queue_id": queue["id"], "items": [{"payload": {}}] * count}
        assert (await admin.post("/api/queue-items/bulk", **body)).status == 422


async def test_a_result_has_a_limit(admin, queue, robot):
    await add(admin, queue)
    held = (await take(robot))["item"]
    await tell(robot, held, "complete", 413, result="x" * 300_000)
    for attempt in (0, -1, "1"):
        await tell(robot, held, "complete", 422, attempt=attempt)
    assert (await tell(robot, held, "complete", result="x"))["result"] == "x"
