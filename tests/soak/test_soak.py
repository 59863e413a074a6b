"""A short soak with few robots; `make soak` has more of both."""

import pytest

from tests.soak.plan import Plan
from tests.soak.report import lines
from tests.soak.run import soak

pytestmark = pytest.mark.slow


async def test_robots_servers_and_agents_come_through_trouble(tmp_path):
    plan = Plan(minutes=0.75, robots=10, agents=2, server_lives_seconds=12)
    outcome = await soak(plan, tmp_path)
    assert outcome.problems() == [], "\n".join(lines(outcome))
    assert outcome.kills["server"] >= 2
    assert outcome.jobs["completed"] > 20
    assert len(outcome.faults) > 3
    assert all(outcome.used[name] for name in ("server", "agent-1", "simulated-1"))
