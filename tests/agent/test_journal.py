"""What is written down survives, whatever ends the agent, and whatever the disk does."""

import asyncio
import shutil
import threading
from contextlib import asynccontextmanager

import msgspec
import pytest

from robot_agent import reserve
from robot_agent.exits import AgentExit, Status
from robot_agent.journal import Entry, Journal, State, Unwritable
from robot_agent.reserve import RESERVE_BYTES, Reserve
from sdk import failpoints
from sdk.contract.runner import JobReport

ENTRY = Entry("bert", "key", State.CLAIMING, 7, 1, 2)
REPORT = JobReport(status="completed", result={"n": 1}, attempt=2)


@pytest.fixture
def journal(tmp_path):
    opened = Journal(tmp_path / "journal.db", Reserve(tmp_path, 0))
    yield opened
    opened.close()


def at_rest(folder):
    """What an agent finds that is started on a copy of the folder, as after a crash."""
    copy = folder / "copy"
    copy.mkdir(exist_ok=True)
    for file in folder.glob("journal.db*"):
        shutil.copy(file, copy)
    journal = Journal(copy / "journal.db", Reserve(copy, 0))
    try:
        return journal.instance, journal.entries()
    finally:
        journal.close()


async def test_each_step_is_there_when_its_method_returns(journal, tmp_path):
    await journal.claiming("bert", "key")
    assert at_rest(tmp_path)[1] == [Entry("bert", "key", State.CLAIMING)]
    await journal.starting(ENTRY)
    assert at_rest(tmp_path)[1] == [msgspec.structs.replace(ENTRY, state=State.STARTING)]
    await journal.started(ENTRY)
    assert at_rest(tmp_path)[1] == [msgspec.structs.replace(ENTRY, state=State.STARTED)]
    await journal.exited(ENTRY, REPORT)
    [found] = at_rest(tmp_path)[1]
    assert (found.state, found.report) == (State.EXITED, REPORT)
    await journal.forget("bert")  # what is to be reported stays
    assert at_rest(tmp_path)[1] == [found]
    await journal.claiming("bert", "next key")
    await journal.forget("bert")
    assert at_rest(tmp_path)[1] == []


async def test_robots_do_not_get_in_each_others_way(journal):
    await journal.claiming("bert", "key")
    await journal.claiming("ada", "other")
    await journal.forget("bert")
    assert [entry.robot for entry in journal.entries()] == ["ada"]


def test_a_journal_has_one_identity_for_ever(journal, tmp_path):
    assert at_rest(tmp_path)[0] == journal.instance
    (tmp_path / "new").mkdir()
    other = Journal(tmp_path / "new" / "journal.db", Reserve(tmp_path, 0))
    other.close()
    assert other.instance != journal.instance


def test_a_journal_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path):
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(AgentExit, match="move it away") as refused:
        Journal(tmp_path / "journal.db", Reserve(tmp_path, 0))
    assert refused.value.status == Status.CONFIG


def fail(monkeypatch, verb):
    monkeypatch.setattr(failpoints, "_deeds", failpoints._read(f"journal.write={verb}"))
    monkeypatch.setattr(failpoints, "_passes", failpoints.Counter())


async def test_on_a_full_disk_the_reserve_makes_room_for_the_end_of_a_job(
    journal, tmp_path, monkeypatch
):
    keeper = Reserve(tmp_path, 0)
    assert keeper.trouble() is None
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= RESERVE_BYTES
    fail(monkeypatch, "raise@1")
    await journal.exited(ENTRY, REPORT)
    assert at_rest(tmp_path)[1][0].state is State.EXITED
    assert not (tmp_path / "reserve").exists()
    assert keeper.trouble() is None and (tmp_path / "reserve").exists()


async def test_a_journal_that_cannot_be_written_says_so(journal, monkeypatch):
    fail(monkeypatch, "raise:30")
    with pytest.raises(Unwritable, match="cannot be written"):
        await journal.claiming("bert", "key")
    assert journal.entries() == []


@asynccontextmanager
async def held(journal):
    """Its thread is kept busy, as by a slow disk, until the block ends."""
    gate = threading.Event()
    journal._thread.submit(gate.wait)
    try:
        yield
        await asyncio.sleep(0)  # those who were begun in the block stand in the line now
    finally:
        gate.set()


async def test_robots_that_wait_together_share_one_write(journal, tmp_path, monkeypatch):
    fail(monkeypatch, "sleep:0")
    async with held(journal):
        waiting = [asyncio.create_task(journal.claiming(f"r{n:02}", "key")) for n in range(16)]
    await asyncio.gather(*waiting)
    assert failpoints._passes["journal.write"] == 1
    assert [entry.robot for entry in at_rest(tmp_path)[1]] == [f"r{n:02}" for n in range(16)]


async def test_what_need_not_be_on_the_disk_is_written_with_what_must(
    journal, tmp_path, monkeypatch
):
    monkeypatch.setattr("robot_agent.journal.LAZY_SECONDS", 60)
    fail(monkeypatch, "sleep:0")
    started = asyncio.create_task(journal.started(msgspec.structs.replace(ENTRY, robot="ada")))
    for _ in range(5):  # turns of the loop, in which it would begin by itself
        await asyncio.sleep(0)
    await journal.claiming("bert", "key")
    await started
    assert failpoints._passes["journal.write"] == 1
    assert [entry.robot for entry in at_rest(tmp_path)[1]] == ["ada", "bert"]


async def test_what_cannot_be_written_harms_no_other(journal, tmp_path):
    too_big = msgspec.structs.replace(ENTRY, robot="bad", job_id=2**63)
    async with held(journal):
        ada = asyncio.create_task(journal.starting(msgspec.structs.replace(ENTRY, robot="ada")))
        bad = asyncio.create_task(journal.starting(too_big))
        cleo = asyncio.create_task(journal.claiming("cleo", "key"))
    with pytest.raises(Unwritable, match="too large"):
        await bad
    await asyncio.gather(ada, cleo)
    assert [entry.robot for entry in at_rest(tmp_path)[1]] == ["ada", "cleo"]


async def test_who_stops_waiting_leaves_the_order_as_it_was(journal, tmp_path):
    async with held(journal):
        gone = asyncio.create_task(journal.claiming("bert", "key"))
        other = asyncio.create_task(journal.claiming("ada", "key"))
        await asyncio.sleep(0)
        gone.cancel()
    await other
    await journal.forget("bert")
    assert [entry.robot for entry in at_rest(tmp_path)[1]] == ["ada"]


def test_too_little_room_is_told_in_numbers(tmp_path):
    assert "are needed" in Reserve(tmp_path, 2**62).trouble()
    assert not Reserve(tmp_path, 2**62).is_in_order()


def test_a_folder_that_is_gone_is_told(tmp_path):
    assert "cannot be written" in Reserve(tmp_path / "no" / "such", 0).trouble()
    assert not Reserve(tmp_path / "no" / "such", 0).is_in_order()


def test_a_reserve_that_was_cut_short_is_laid_in_again(tmp_path):
    keeper = reserve.Reserve(tmp_path, 0)
    (tmp_path / "reserve").write_bytes(b"short")
    assert not keeper.is_in_order()
    assert keeper.trouble() is None and keeper.is_in_order()
    assert (tmp_path / "reserve").stat().st_size == RESERVE_BYTES
