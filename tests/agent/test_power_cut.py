"""What a cut of power leaves of the journal: any first part of what was written."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from robot_agent.journal import Entry, Journal, State, open_file, read_entries
from robot_agent.reserve import Reserve
from sdk.contract.runner import JobReport

CLAIMING = Entry("bert", "key 1", State.CLAIMING)
GRANTED = Entry("bert", "key 1", State.CLAIMING, 7, 1, 2)
STARTING = Entry("bert", "key 1", State.STARTING, 7, 1, 2)
STARTED = Entry("bert", "key 1", State.STARTED, 7, 1, 2)
REPORT = JobReport(status="completed", result={"n": 1}, attempt=2)
EXITED = Entry("bert", "key 1", State.EXITED, 7, 1, 2, REPORT)
NEXT = Entry("bert", "key 2", State.CLAIMING)


@pytest.fixture
async def one_job(tmp_path):
    """The files of an agent that had a job and asks for the next; and each step with the bytes
    that were in the log when its method had returned."""
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as db:  # small pages: a log of a few thousand bytes
        db.executescript("PRAGMA page_size = 512; VACUUM")
    Journal(path, Reserve(tmp_path, 0)).close()  # the tables are in the file, the log is empty
    journal, log = Journal(path, Reserve(tmp_path, 0)), tmp_path / "journal.db-wal"
    steps = [([], 0)]
    for entry, step in [
        ([CLAIMING], journal.claiming("bert", "key 1")),
        ([STARTING], journal.starting(GRANTED)),
        ([STARTED], journal.started(GRANTED)),
        ([EXITED], journal.exited(GRANTED, REPORT)),
        ([NEXT], journal.claiming("bert", "key 2")),
        ([], journal.forget("bert")),
    ]:
        await step
        steps.append((entry, log.stat().st_size))
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / name, kept)
    journal.close()
    return kept, steps


def test_cut_at_any_byte_it_tells_the_last_whole_step(one_job, tmp_path):
    kept, steps = one_job
    log = (kept / "journal.db-wal").read_bytes()
    assert len(log) == steps[-1][1]
    for size in range(len(log) + 1):
        whole = [entries for entries, needed in steps if needed <= size]
        assert found(kept, tmp_path / "cut", log[:size]) == whole[-1], size


def test_a_bit_that_turned_over_ends_the_log_there(one_job, tmp_path):
    kept, steps = one_job
    log = (kept / "journal.db-wal").read_bytes()
    for at in range(0, len(log), 7):
        turned = log[:at] + bytes([log[at] ^ 4]) + log[at + 1 :]
        before = [entries for entries, needed in steps if needed <= at]
        after_all = [entries for entries, _ in steps]
        assert found(kept, tmp_path / "turned", turned) in (before[-1], after_all[-1]), at


def found(kept, place, log):
    """What a start finds; a copy, as opening it repairs it."""
    place.mkdir(exist_ok=True)
    for file in place.iterdir():
        file.unlink()
    shutil.copy(kept / "journal.db", place)
    (place / "journal.db-wal").write_bytes(log)
    with closing(open_file(place / "journal.db")) as db:
        return read_entries(db)
