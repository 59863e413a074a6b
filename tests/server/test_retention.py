"""What is old is deleted a little at a time, and its room is used again."""

import asyncio
from datetime import timedelta

import psycopg
import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE
from orchestrator_server.maintenance import old_things
from orchestrator_server.queue_items import retention
from orchestrator_server.queue_items.service import sql
from tests.db.test_query_plans import plan
from tests.server.test_queues import make_queue
from tests.server.test_settings import change, clean_up
from tests.support.postgres import asked

FINISH = Query("finish", "UPDATE queue_items SET status = :status, updated_at = :now")
SIZE = Query("size", "SELECT page_count AS pages FROM pragma_page_count()")


async def fill(admin, queue, count=300):
    items = [{"payload": {"text": "x" * 500}}] * count
    await admin.post("/api/queue-items/bulk", 200, queue_id=queue["id"], items=items)


@pytest.mark.parametrize("status", ["completed", "failed", "abandoned"])
async def test_items_that_ended_are_kept_as_long_as_is_set(admin, server, clock, status):
    queue = await make_queue(admin)
    await fill(admin, queue, 5)
    await server[DATABASE].write(lambda tx: tx.run(FINISH, status=status))
    await fill(admin, queue, 2)  # these wait
    await clean_up(server)  # 0 days: for ever
    await change(admin, "jobs", item_retention_days=30)
    clock.advance(days=29)
    await clean_up(server)
    admin = await admin.sign_in()
    assert len(await admin.get("/api/queue-items")) == 7
    clock.advance(days=2)
    await clean_up(server)
    admin = await admin.sign_in()
    assert {item["status"] for item in await admin.get("/api/queue-items")} == {"new"}
    deleted = (await admin.get("/api/audit?action=queue_items.deleted"))["items"]
    assert len(deleted) == 1


async def test_no_more_is_deleted_in_a_step_than_is_said(admin, server, clock, monkeypatch):
    monkeypatch.setattr(old_things, "BATCH", 3)
    await fill(admin, await make_queue(admin), 5)
    await server[DATABASE].write(lambda tx: tx.run(FINISH, status="completed"))
    await change(admin, "jobs", item_retention_days=1)
    clock.advance(days=2)
    left = []
    for _ in range(3):
        await clean_up(server)
        left.append(len(await (await admin.sign_in()).get("/api/queue-items")))
    assert left == [2, 0, 0]


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_an_item_that_is_put_back_this_moment_is_not_deleted(admin, server, clock, config):
    await fill(admin, await make_queue(admin), 1)
    await server[DATABASE].write(lambda tx: tx.run(FINISH, status="failed"))
    clock.advance(days=2)
    with psycopg.connect(config.database_url) as somebody:
        somebody.execute("UPDATE queue_items SET status = 'new'")  # not yet committed
        forgetting = asyncio.create_task(
            server[DATABASE].write(retention.forget_items, timedelta(days=1), 10)
        )
        blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        async with asyncio.timeout(10):
            while not asked(config.database_url, blocked):
                await asyncio.sleep(0.01)
    assert await forgetting == 0
    [item] = await (await admin.sign_in()).get("/api/queue-items")
    assert item["status"] == "new"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_room_of_what_was_deleted_is_used_again(admin, server, clock):
    queue = await make_queue(admin)
    await change(admin, "jobs", item_retention_days=1)
    sizes = []
    for _ in range(5):
        admin = await admin.sign_in()
        await fill(admin, queue)
        await server[DATABASE].write(lambda tx: tx.run(FINISH, status="completed"))
        clock.advance(days=2)
        await clean_up(server)
        [size] = await server[DATABASE].read(lambda tx: tx._session.fetch(SIZE, {}))
        sizes.append(size["pages"])
    assert max(sizes) < 1.3 * sizes[0]


async def test_old_items_are_found_by_their_index(sqlite):
    steps = await sqlite.read(plan, sql.ended_before, before="2030", limit=10)
    assert "queue_items_ended" in steps
    assert "TEMP B-TREE" not in steps
