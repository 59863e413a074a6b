"""Asking again: when, how often, and when not."""

import asyncio
import logging

import pytest

from sdk.contract.problem import Problem
from sdk.errors import Conflict, NotAnOrchestrator, Unavailable, Unreachable
from sdk.retry import LONGEST_RETRY_AFTER_SECONDS, GaveUp, pause_seconds, until_answered


def unavailable(retry_after=None):
    return Unavailable(Problem(title="Busy", status=503), retry_after)


def failing_with(*errors):
    left = list(errors)

    async def call():
        if left:
            raise left.pop(0)
        return "answer"

    return call


async def test_it_asks_until_there_is_an_answer_and_says_so_once(caplog):
    caplog.set_level(logging.INFO)
    call = failing_with(Unreachable("gone"), NotAnOrchestrator("a page"), unavailable())
    assert await until_answered(call, first_seconds=0.01) == "answer"
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_refusal_is_an_answer():
    refusal = Conflict(Problem(title="Taken", status=409))
    with pytest.raises(Conflict):
        await until_answered(failing_with(refusal))


async def test_it_gives_up_when_told_to_while_it_waits():
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(GaveUp):
        async with asyncio.timeout(5):
            await until_answered(failing_with(Unreachable("gone")), stop=stop, first_seconds=60)


async def test_an_answer_counts_even_if_told_to_stop():
    stop = asyncio.Event()
    stop.set()
    assert await until_answered(failing_with(), stop=stop) == "answer"


@pytest.mark.parametrize("failures", [1, 2, 5, 7, 10_000])
def test_a_pause_is_never_shorter_than_the_first_nor_longer_than_the_most(failures):
    pauses = [pause_seconds(failures, None, 1.0, 60.0) for _ in range(200)]
    assert min(pauses) >= 1.0 and max(pauses) <= min(60.0, 2.0 ** min(failures, 30))
    assert failures < 2 or len(set(pauses)) > 1


def test_the_server_may_ask_for_more_time_but_not_for_a_year():
    assert 120 <= pause_seconds(1, unavailable(120.0), 1.0, 60.0) <= 121
    longest = LONGEST_RETRY_AFTER_SECONDS + 1
    assert pause_seconds(1, unavailable(1e9), 1.0, 60.0) <= longest
