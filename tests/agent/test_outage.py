"""However many robots an agent has, an outage sees one request a second."""

import asyncio
from itertools import pairwise

import pytest

from robot_agent import outage as module
from robot_agent.outage import Outage

TURN_SECONDS = 0.1
ROBOTS = 20


@pytest.fixture
def outage(monkeypatch):
    monkeypatch.setattr(module, "TURN_SECONDS", TURN_SECONDS)
    return Outage()


async def ask_for_ever(outage, asked):
    while True:
        await outage.turn()
        asked.append(asyncio.get_running_loop().time())
        outage.note(is_answered=False)
        await asyncio.sleep(0)


async def test_all_together_ask_once_in_a_while(outage):
    asked = []
    robots = [asyncio.create_task(ask_for_ever(outage, asked)) for _ in range(ROBOTS)]
    await asyncio.sleep(5 * TURN_SECONDS)
    for robot in robots:
        robot.cancel()
    await asyncio.gather(*robots, return_exceptions=True)
    during = asked[ROBOTS:]  # the first round found out
    assert len(during) <= 5
    assert all(b - a >= 0.9 * TURN_SECONDS for a, b in pairwise(during))


async def test_when_one_is_answered_all_go_on(outage, monkeypatch):
    monkeypatch.setattr(module, "TURN_SECONDS", 3600)
    outage.note(is_answered=False)
    waiting = [asyncio.create_task(outage.turn()) for _ in range(ROBOTS)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    outage.note(is_answered=True)
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)


async def test_without_an_outage_nobody_waits(outage):
    async with asyncio.timeout(5):
        for _ in range(1000):
            await outage.turn()
