"""Units of work on PostgreSQL: ended from outside, in each other's way, and too many."""

import asyncio
import threading
from collections import Counter
from contextlib import asynccontextmanager

import psycopg
import pytest

from orchestrator_server.db import postgres as db
from orchestrator_server.db.queries import Query
from orchestrator_server.errors import Unavailable
from orchestrator_server.http.keys import DATABASE
from tests.db.test_group_commit import create, ids, ids_now


async def test_a_connection_that_is_ended_in_a_transaction_takes_its_changes_along(postgres):
    """C-37: and the next one who comes has a new connection."""

    def be_ended(tx):
        create(tx)
        [me] = tx._session.fetch(Query("me", "SELECT pg_backend_pid() AS pid"), {})
        with psycopg.connect(postgres._pool.conninfo) as administrator:
            administrator.execute("SELECT pg_terminate_backend(%s, 5000)", [me["pid"]])
        create(tx)

    with pytest.raises(Unavailable):
        await postgres.write(be_ended)
    assert await ids(postgres) == set()
    assert await postgres.write(create) in await ids(postgres)


async def test_of_two_that_block_each_other_the_loser_is_done_again_whole(postgres):
    """C-40: PostgreSQL ends one of them (40P01)."""
    one, two = await postgres.write(create), await postgres.write(create)
    both, runs = threading.Barrier(2), Counter()
    note = Query("note", "UPDATE machines SET name = :said WHERE id = :id")

    def change(tx, me, first, second):
        runs[me] += 1
        tx.run(note, id=first, said=me)
        if runs[me] == 1:
            both.wait(10)  # each holds what the other one wants
        tx.run(note, id=second, said=me)

    await asyncio.gather(
        postgres.write(change, "there", one, two), postgres.write(change, "back", two, one)
    )
    assert sorted(runs.values()) == [1, 2]
    said = Query("said", "SELECT DISTINCT name FROM machines")
    loser = max(runs, key=runs.get)
    assert await postgres.read(lambda tx: tx._session.fetch(said, {})) == [{"name": loser}]


async def test_who_loses_each_time_is_told_after_three_more(postgres):
    """C-40: two that read the same row and write it, over and over (40001)."""
    machine, runs = await postgres.write(create), Counter()
    look = Query("look", "SELECT name FROM machines WHERE id = :id")
    note = Query("note", "UPDATE machines SET name = 'x' WHERE id = :id")

    def lose(tx):
        tx.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        tx._session.fetch(look, {"id": machine})
        runs["lose"] += 1
        with psycopg.connect(postgres._pool.conninfo) as quicker:
            quicker.execute("UPDATE machines SET name = 'y' WHERE id = %s", [machine])
        tx.run(note, id=machine)

    with pytest.raises(Unavailable, match="Too many changes to the same thing"):
        await postgres.write(lose)
    assert runs["lose"] == 4


@asynccontextmanager
async def filled(database):
    """Every connection for ordinary units is taken until the block ends."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(tx):
        create(tx)
        begun.release()
        assert go_on.wait(60)

    units = [asyncio.create_task(database.write(slow)) for _ in range(db.CONNECTIONS)]
    try:
        for _ in units:
            assert await asyncio.to_thread(begun.acquire, timeout=60)
        yield units
    finally:
        go_on.set()
        await asyncio.wait(units)


async def test_who_waits_too_long_for_a_turn_is_told_and_urgent_things_go_on(postgres, monkeypatch):
    """C-41"""
    async with filled(postgres):
        monkeypatch.setattr(db, "PATIENCE_SECONDS", 0.2)
        waiting = (postgres.write(create) for _ in range(50))
        refused = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(answer) for answer in refused} == {Unavailable}
        assert await postgres.urgent.write(create) in await postgres.urgent.read(ids_now)
    assert len(await ids(postgres)) == db.CONNECTIONS + 1


async def test_a_caller_that_gives_up_gives_no_turn_away_that_is_still_used(postgres, monkeypatch):
    """C-41: else more units would run than there are threads, and wait where nobody counts."""
    async with filled(postgres) as units:
        monkeypatch.setattr(db, "PATIENCE_SECONDS", 0.2)
        for unit in units:
            unit.cancel()
        await asyncio.wait(units)
        with pytest.raises(Unavailable):
            await postgres.write(create)
    monkeypatch.undo()
    assert await postgres.write(create)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_running_jobs_do_not_notice_a_database_that_is_busy(server, admin, claimed):
    """C-41: others hear 503 with Retry-After, and a heartbeat is answered as ever."""
    robot, job = await claimed()
    async with filled(server[DATABASE]):
        refused = await admin.post("/api/machines", name="one")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "2")
        running = [{"id": job["id"], "attempt": 1}]
        beat = await robot.post("/api/runner/heartbeat", 200, jobs=running)
        assert beat["jobs"][0]["action"] == "continue"
    await admin.post("/api/machines", 201, name="one")
