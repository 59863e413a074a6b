"""An agent that only others are answered starts anew; one whose server is away does not."""

import sys

import pytest

from robot_agent.pulse import Deafness, Pulse
from tests.agent.fake_server import serving
from tests.agent.running_agent import the_program
from tests.agent.test_agent import ended


class World:
    def __init__(self, monkeypatch):
        self.now, self.answers = 1000.0, True
        monkeypatch.setattr("robot_agent.pulse.now", lambda: self.now)
        self.pulse = Pulse()
        self.pulse.note("bert")
        self.deafness = Deafness(self.pulse, 300, lambda: self.answers)

    def after(self, seconds):
        """What the looks say until then, one every ten seconds."""
        said = []
        for _ in range(seconds // 10):
            self.now += 10
            said.append(self.deafness.look())
        return said


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_a_robot_that_is_never_answered_is_deaf_in_the_end(world):
    said = world.after(310)
    assert said[:29] == [None] * 29 and said[-1] == "bert"


def test_a_robot_that_is_answered_now_and_then_is_not(world):
    for _ in range(10):
        assert world.after(140) == [None] * 14
        world.pulse.note("bert")


def test_while_the_server_is_away_nobody_is_deaf_and_afterwards_everybody_has_time(world):
    world.answers = False
    assert set(world.after(3600)) == {None}
    world.answers = True
    assert set(world.after(140)) == {None}
    world.pulse.note("bert")
    assert set(world.after(140)) == {None}


def test_one_deaf_robot_among_many_counts(world):
    for _ in range(31):
        world.pulse.note("ada")
        said = world.after(10)
    assert said == ["bert"]


def test_a_robot_that_has_ended_is_not_missed(world):
    world.pulse.forget("bert")
    assert set(world.after(1000)) == {None}


@pytest.mark.skipif(sys.platform == "win32", reason="starts the program with POSIX paths")
async def test_the_program_ends_with_70_when_it_is_deaf(tmp_path):
    async with serving() as server:
        server.failures |= {"/heartbeat": [503] * 999, "/next-job": [503] * 999}
        variables = {"RUNWRIGHT_DEAF_AFTER_SECONDS": "2"}
        async with the_program(server, tmp_path, **variables) as program:
            status, errors = await ended(program, seconds=40)
    assert status == 70 and "starting anew" in errors
