"""A leak is told, and what only looks like one is not."""

from collections import Counter

import pytest

from orchestrator_server.doctor.service import Finding
from tests.soak import crew
from tests.soak.flatness import MEASURES, Sample, ends, problems
from tests.soak.plan import Plan
from tests.soak.report import Outcome, lines

SECONDS = 300
ROBOTS = 10
FLAT = (80.0, 40.0, 10.0, 3.0)


def living(use, lives_seconds=SECONDS):
    """Samples of a program that is killed each time it is so old; `use` tells from time and age."""
    for at in range(0, SECONDS, 2):
        age = at % lives_seconds
        yield Sample(at, age, use(at, age))


def said(samples):
    return problems("server", ends(list(samples), SECONDS, ROBOTS))


def growing(number, by):
    """What is used when one measure grows by so much in a minute."""
    return lambda at, age: tuple(v + (n == number) * by * at / 60 for n, v in enumerate(FLAT))


def test_what_stays_the_same_is_flat():
    assert said(living(lambda at, age: FLAT)) == []


@pytest.mark.parametrize("lives_seconds", [SECONDS, 30])
@pytest.mark.parametrize(("number", "by"), [(0, 10), (1, 15), (2, 2), (3, 8)])
def test_a_leak_is_told(number, by, lives_seconds):
    """For the one that lives on, and for one that is killed: what it leaves grows outside it."""
    [sentence] = said(living(growing(number, by), lives_seconds))
    assert sentence.startswith(f"server: {MEASURES[number].name} grew from ")
    assert sentence.endswith(f"; {MEASURES[number].tolerance} is allowed.")


def test_a_young_one_uses_less_and_that_is_no_leak():
    """Killed late in the first third, and then never again."""
    samples = [Sample(at, at % 130, (50.0 + at % 130, *FLAT[1:])) for at in range(0, SECONDS, 2)]
    assert said(samples) == []


def test_the_beginning_is_left_out():
    assert said(living(lambda at, age: FLAT if at > 50 else (20.0, 5.0, 2.0, 0.0))) == []


def test_one_peak_is_no_leak():
    assert said(living(lambda at, age: (500.0, 500.0, 99.0, 99.0) if at == 298 else FLAT)) == []


def test_what_lived_too_short_is_not_compared():
    assert ends([Sample(10, 10, FLAT), Sample(290, 2, FLAT)], SECONDS, ROBOTS) == []


def test_an_agent_that_ends_by_itself_is_told():
    ended = Counter({"agent-1 (status 75)": 2})
    assert crew.unforeseen(ended) == ["agent-1 (status 75) ended by itself; see its log."]


def test_the_report_says_what_broke_and_how_to_repeat_it():
    grown = ends(list(living(growing(0, 10))), SECONDS, ROBOTS)
    outcome = Outcome(Plan(seed=11), used={"agent-1": grown, "server": []})
    outcome.findings = [Finding("kept", []), Finding("not kept", [f"job {n}" for n in range(9)])]
    text = "\n".join(lines(outcome))
    assert outcome.problems()[0] == "not kept: job 0, job 1, job 2, job 3, job 4 and 4 more"
    assert "agent-1: memory grew from" in text
    assert "BROKEN not kept" in text
    assert "--seed 11 " in text
    assert "lived too short" in text
