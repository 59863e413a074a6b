"""The output of a script takes little room, and what is missing is said."""

import asyncio

import pytest

from robot_agent.spool import MARKS_BYTES, SLACK_BYTES, Spool

KEEP = 70_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "output.log"


@pytest.fixture
def spool(path):
    spool = Spool(path)
    spool.keep_at_most(KEEP + MARKS_BYTES)
    return spool


def print_(path, content):
    with path.open("ab") as file:
        file.write(content)


def whole(spool):
    return spool.read(0, 10**9)


def test_what_fits_is_left_alone(spool, path):
    print_(path, b"x" * KEEP)
    spool.close()
    assert whole(spool) == b"x" * KEEP == path.read_bytes()


def test_what_is_too_much_is_counted_and_the_log_says_so(spool, path):
    print_(path, b"a" * KEEP + b"b" * (SLACK_BYTES + 1))
    assert whole(spool) == b"a" * KEEP  # nothing that will be cut is sent
    assert spool._cut(SLACK_BYTES)
    print_(path, b"c" * 500)
    assert spool.printed_bytes() == KEEP + SLACK_BYTES + 501
    spool.close()
    log = whole(spool)
    assert log == path.read_bytes() and len(log) <= KEEP + MARKS_BYTES
    assert log.startswith(b"a" * KEEP + b"\n[output beyond 70,000 bytes is not kept]\n")
    assert log.endswith(f"\n[at least {KEEP + SLACK_BYTES + 501:,} bytes were printed]\n".encode())


def test_a_little_too_much_is_cut_at_the_end(spool, path):
    print_(path, b"a" * (KEEP + 1))
    assert not spool._cut(SLACK_BYTES)
    spool.close()
    assert whole(spool).endswith(b"\n[at least 70,001 bytes were printed]\n")


async def test_a_script_that_prints_without_end_never_fills_the_disk(spool, path, monkeypatch):
    source = "import os\nwhile True: os.write(1, b'x' * 65536)"
    largest = 0
    with path.open("ab") as output:
        child = await asyncio.create_subprocess_exec("python3", "-c", source, stdout=output)
    keeping = asyncio.create_task(spool.keep_small())
    try:
        async with asyncio.timeout(30):
            while spool.printed_bytes() < 2_000_000_000:
                largest = max(largest, path.stat().st_size)
                await asyncio.sleep(0.005)
    finally:
        keeping.cancel()
        child.kill()
        await child.wait()
    assert largest < 1_000_000_000  # what is printed between two looks, not all of it
    spool.close()
    assert path.stat().st_size <= KEEP + MARKS_BYTES


def test_what_an_earlier_life_cut_is_cut_again(spool, path):
    print_(path, b"a" * (KEEP + 50))
    spool.close_unwatched()
    assert whole(spool) == b"a" * KEEP + b"\n[output beyond 70,000 bytes is not kept]\n"


def test_nothing_is_there_before_the_job_is(spool):
    assert (whole(spool), spool.size(), spool.printed_bytes()) == (b"", 0, 0)
    spool.close()
