"""What a caller may believe about its unit of work."""

import asyncio
import shutil
import sqlite3
import threading

import aiosqlite
import pytest
import structlog

from orchestrator_server.db import sqlite_thread
from orchestrator_server.db.group_commit import BATCH_UNITS, GroupCommit
from orchestrator_server.db.queries import Query
from orchestrator_server.db.sqlite_thread import on_thread
from orchestrator_server.errors import AlreadyExists, Conflict, OrchestratorError, Unavailable
from orchestrator_server.machines import service
from sdk.contract.machines import MachineCreate, MachineQuery
from tests.support.world import ADA

NUMBERS = iter(range(10_000_000))


def create(tx, name=None):
    wanted = MachineCreate(name=name or f"machine {next(NUMBERS)}")
    return service.create(tx, ADA, wanted, tx.now).id


def create_and_fail(tx, error):
    create(tx)
    raise error


def where_and_what(connection, value):
    return threading.get_ident(), connection.execute("SELECT ?", (value,)).fetchone()


def ids_now(tx):
    return {machine.id for machine in service.list_machines(tx, MachineQuery(), tx.now).items}


async def ids(database):
    return await database.read(ids_now)


async def test_one_function_reaches_the_thread_of_an_aiosqlite_connection():
    """Fails when a new aiosqlite no longer has the private names that on_thread uses."""
    async with aiosqlite.connect(":memory:") as connection:
        here = threading.get_ident()
        there, value = await on_thread(connection, where_and_what, 7)
    assert there != here
    assert value == (7,)


async def test_a_unit_that_fails_leaves_its_neighbours_alone(database):
    first, failed, last = await asyncio.gather(
        database.write(create),
        database.write(create_and_fail, ValueError("no")),
        database.write(create),
        return_exceptions=True,
    )
    assert isinstance(failed, ValueError)
    assert await ids(database) == {first, last}


@pytest.mark.parametrize("error", [StopIteration(), KeyError("x"), asyncio.CancelledError()])
@pytest.mark.parametrize("how", ["read", "write"])
async def test_whatever_a_unit_raises_its_caller_is_answered(database, how, error):
    def fail(tx):
        raise error

    async with asyncio.timeout(5):
        with pytest.raises((RuntimeError, type(error))):
            await getattr(database, how)(fail)
    assert await ids(database) == set()


async def test_units_that_wait_together_share_one_commit(sqlite):
    seen = []
    await on_thread(sqlite._writer, lambda c: c.set_trace_callback(seen.append))
    await asyncio.gather(*(sqlite.write(create) for _ in range(10)))
    assert [seen.count(word) for word in ("BEGIN IMMEDIATE", "COMMIT")] == [1, 1]


async def test_a_batch_has_a_limit(sqlite):
    seen = []
    await on_thread(sqlite._writer, lambda c: c.set_trace_callback(seen.append))
    await asyncio.gather(*(sqlite.write(create) for _ in range(BATCH_UNITS + 1)))
    assert seen.count("COMMIT") == 2


async def test_a_unit_that_fails_at_the_commit_fails_alone(sqlite):
    def make_child(tx):  # a deferred foreign key is checked by COMMIT
        tx.script(
            "CREATE TABLE child (id INTEGER REFERENCES machines DEFERRABLE INITIALLY DEFERRED)"
        )

    def point_at_nothing(tx):
        tx.script("INSERT INTO child VALUES (404)")

    await sqlite.write(make_child)
    first, failed, last = await asyncio.gather(
        sqlite.write(create),
        sqlite.write(point_at_nothing),
        sqlite.write(create),
        return_exceptions=True,
    )
    assert isinstance(failed, Conflict)
    assert await ids(sqlite) == {first, last}


async def test_if_the_transaction_is_lost_on_the_way_its_neighbours_are_done_again(sqlite):
    def lose_it(tx):  # what SQLite does by itself when the disk is full
        tx.run(Query("lose", "ROLLBACK"))

    first, failed, last = await asyncio.gather(
        sqlite.write(create), sqlite.write(lose_it), sqlite.write(create), return_exceptions=True
    )
    assert isinstance(failed, sqlite3.OperationalError)
    assert await ids(sqlite) == {first, last}


async def test_a_database_held_by_another_program_is_unavailable_and_nothing_is_half_done(
    sqlite, tmp_path
):
    await on_thread(sqlite._writer, lambda c: c.execute("PRAGMA busy_timeout = 50").fetchall())
    other = sqlite3.connect(tmp_path / "data" / "runwright.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(
            *(sqlite.write(create) for _ in range(3)), return_exceptions=True
        )
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert await ids(sqlite) == set()
    assert await sqlite.write(create) in await ids(sqlite)


async def test_who_comes_while_another_program_holds_the_database_does_not_wait_twice():
    begun, held, batches = asyncio.Event(), asyncio.Event(), []

    async def commit(units):
        batches.append(units)
        begun.set()
        await held.wait()
        raise Unavailable("Another program is holding the database; try again in a moment.")

    group = GroupCommit(commit)
    callers = [asyncio.create_task(group.join(create))]
    await begun.wait()
    callers += [asyncio.create_task(group.join(create)) for _ in range(3)]
    await asyncio.sleep(0)
    held.set()
    assert [type(outcome.error) for outcome in await asyncio.gather(*callers)] == [Unavailable] * 4
    assert len(batches) == 1


async def test_what_must_be_unique_is_known_by_the_name_of_its_index(sqlite):
    twice = Query(
        "twice",
        "INSERT INTO machines (name, name_key, mode, info, created_at, updated_at)"
        " VALUES ('a', 'a', 'runner', '{}', :now, :now)",
    )
    await sqlite.write(lambda tx: tx.run(twice))
    with pytest.raises(AlreadyExists) as refused:
        await sqlite.write(lambda tx: tx.run(twice))
    assert refused.value.constraint == "machines_name"


async def test_two_who_take_one_name_at_once_are_told_in_our_words(database):
    answers = await asyncio.gather(
        *(database.write(create, "the same") for _ in range(5)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, OrchestratorError)]
    assert {str(answer) for answer in refused} == {"There is a machine the same already."}
    assert len(await ids(database)) == 1


async def test_a_cancelled_caller_leaves_the_database_usable(database):
    begun, go_on = threading.Event(), threading.Event()

    def slow(tx):
        begun.set()
        go_on.wait(5)
        return create(tx)

    callers = [asyncio.create_task(database.write(unit)) for unit in (slow, create)]
    await asyncio.to_thread(begun.wait, 5)
    for caller in callers:
        caller.cancel()
    go_on.set()
    await asyncio.wait(callers)

    assert all(caller.cancelled() for caller in callers)
    assert await database.write(create) in await ids(database)


async def test_acknowledged_means_committed(sqlite, tmp_path):
    created = await sqlite.write(create)
    for file in ("runwright.db", "runwright.db-wal"):  # what a crash at this moment would leave
        shutil.copy(tmp_path / "data" / file, tmp_path / f"copy-of-{file}")
    connection = sqlite3.connect(tmp_path / "copy-of-runwright.db")
    try:
        assert connection.execute("SELECT id FROM machines").fetchall() == [(created,)]
    finally:
        connection.close()


async def test_readers_do_not_wait_for_the_writer(database):
    begun, go_on = threading.Event(), threading.Event()

    def slow(tx):
        create(tx)
        begun.set()
        assert go_on.wait(5)

    writing = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(begun.wait, 5)
    async with asyncio.timeout(2):
        assert await ids(database) == set()  # and they do not see what is not committed
    go_on.set()
    await writing
    assert len(await ids(database)) == 1


async def test_a_read_sees_one_moment(database):
    def look_twice(tx, looked, written):
        before = ids_now(tx)
        looked.set()
        assert written.wait(5)
        return before, ids_now(tx)

    looked, written = threading.Event(), threading.Event()
    reading = asyncio.create_task(database.read(look_twice, looked, written))
    await asyncio.to_thread(looked.wait, 5)
    await database.write(create)
    written.set()
    assert await reading == (set(), set())


async def test_a_read_cannot_write(database):
    with pytest.raises(Exception, match=r"readonly|read-only|cannot be written"):
        await database.read(create)
    assert await ids(database) == set()


async def test_closing_commits_what_waits(sqlite):
    writing = asyncio.gather(*(sqlite.write(create) for _ in range(3)))
    await asyncio.sleep(0)
    await sqlite.close()
    assert len(set(await writing)) == 3


async def test_pragmas(sqlite):
    def pragma(tx, name):
        return next(iter(tx._session.fetch(Query(name, f"PRAGMA {name}"), {})[0].values()))

    names = ["journal_mode", "synchronous", "foreign_keys", "query_only"]
    assert [await sqlite.write(pragma, n) for n in names] == ["wal", 2, 1, 0]
    assert [await sqlite.read(pragma, n) for n in names] == ["wal", 2, 0, 1]


async def test_every_query_of_a_unit_sees_the_same_instant(database, clock):
    def two(tx):
        first = create(tx)
        clock.advance(seconds=5)
        both = [service.get(tx, id_, tx.now) for id_ in (first, create(tx))]
        return [machine.created_at for machine in both]

    first, second = await database.write(two)
    assert first == second


@pytest.mark.parametrize("how", ["read", "write"])
async def test_the_request_id_reaches_the_threads_of_the_database(database, how):
    def request_id(tx):
        return structlog.contextvars.get_contextvars().get("request_id")

    with structlog.contextvars.bound_contextvars(request_id="abc"):
        assert await getattr(database, how)(request_id) == "abc"
    assert await getattr(database, how)(request_id) is None


async def test_an_id_is_never_used_again(database):
    def remove(tx, machine_id):
        tx.run(Query("remove", "DELETE FROM machines WHERE id = :id"), id=machine_id)

    first = await database.write(create)
    await database.write(remove, first)
    assert await database.write(create) > first


async def test_a_bug_in_the_commit_itself_leaves_no_transaction_open(sqlite, monkeypatch):
    def stumble(connection, unit, clock):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_thread, "_with_savepoint", stumble)
        with pytest.raises(RuntimeError, match="a bug"):
            await sqlite.write(create)
    assert await sqlite.write(create) in await ids(sqlite)
