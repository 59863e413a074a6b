"""The protocol is explored completely; and whoever weakens it is told which promise breaks."""

from functools import cache

import pytest

from tests.model.explore import Found, explore
from tests.model.mutants import MESSAGES_ALONE, MUTANTS, TWO_AGENTS, VARIANTS
from tests.model.promises import PROMISES
from tests.model.protocol import FINAL, Claim, serve
from tests.model.world import Agent, Limits

ONE_ROBOT = (Agent(1, "a"),)

# What may go wrong, and how many worlds come of it. A protocol that changes changes the number:
# look at what is new, then write it down.
EXPLORED = {
    "two robots": (Limits(crashes=2, copies=1), 127_369),
    "two robots, one attempt": (Limits(max_attempts=1, crashes=2, gone=1, copies=2), 6_495),
    "two robots, one of which is gone for good": (Limits(crashes=1, gone=1), 38_325),
    "one robot, three attempts": (Limits(ONE_ROBOT, max_attempts=3, crashes=3), 38_513),
    "two agents of one robot": (Limits(TWO_AGENTS, gone=1), 30_596),
    "messages alone": (MESSAGES_ALONE._replace(copies=4), 428),
}


@cache
def explored(name: str) -> Found:
    return explore(EXPLORED[name][0])


@pytest.mark.parametrize("name", EXPLORED)
def test_whatever_is_lost_late_doubled_or_crashes_every_promise_is_kept(name):
    found = explored(name)
    assert found.promise is None, "\n".join(found.trace)
    assert found.states == EXPLORED[name][1]


@pytest.mark.parametrize("name", EXPLORED)
def test_a_job_that_has_ended_is_granted_to_nobody(name):
    """The exploration leaves these claims out."""
    limits, _ = EXPLORED[name]
    ended = {job for job in explored(name).jobs if job.status in FINAL}
    assert ended
    for agent in limits.agents:
        for key in range(1, limits.max_attempts + 2):
            claim = Claim(agent.robot, key, agent.instance)
            assert all(serve(job, claim)[0] == job for job in ended)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_weaker_protocol_is_caught(mutant):
    found = explore(mutant.limits, mutant.rules)
    assert found.promise == mutant.breaks, "\n".join(found.trace)


def test_each_promise_is_one_that_somebody_could_break():
    assert {mutant.breaks for mutant in MUTANTS} == PROMISES


@pytest.mark.parametrize("limits", [MESSAGES_ALONE, Limits(TWO_AGENTS)], ids=["lossy", "cloned"])
@pytest.mark.parametrize("name", VARIANTS)
def test_another_protocol_may_be_as_good(name, limits):
    found = explore(limits, VARIANTS[name])
    assert found.promise is None, "\n".join(found.trace)


def test_what_is_found_is_told_step_by_step():
    [mutant] = [m for m in MUTANTS if m.name == "an old key is granted again"]
    found = explore(mutant.limits, mutant.rules)
    assert [line.split(": ")[0].strip() for line in found.trace] == [
        "agent 1a (NOTHING) asks for a job   [job pending, attempt 0]",
        "! question of agent 0",  # a copy is still on its way
        "LeaseEnd() is answered requeued   [job pending, attempt 1]",
        "question of agent 0",
    ]
    assert found.trace[-1].endswith("the answer is granted 2   [job running, attempt 2]")
