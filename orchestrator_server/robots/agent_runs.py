"""Which of two agents with one name and key works as a robot. Pure.

An agent that starts takes the robot over from the run before it, which has usually ended. If that
run registers again, it has not: there are two agents, and the later one is refused from then on,
for as long as the other one is heard of.
"""

from datetime import datetime, timedelta
from enum import Enum

import msgspec

ALIVE_WITHIN = timedelta(minutes=5)  # of being displaced; later, it was suspended or cut off
REMEMBERED = timedelta(hours=1)


class Runs(msgspec.Struct, frozen=True):
    """What is known of the agents of a robot."""

    agent_instance: str | None = None
    agent_version: str | None = None
    agent_run: str | None = None
    agent_run_number: int | None = None
    agent_run_since: datetime | None = None
    displaced_run: str | None = None
    displaced_run_number: int | None = None
    refused_run: str | None = None
    duplicate_agent_at: datetime | None = None
    last_heartbeat: datetime | None = None


class Registering(msgspec.Struct, frozen=True):
    """The agent that registers; its run is None if it is of a version that does not send it."""

    instance: str | None
    run: str | None
    number: int | None  # lower than that of all runs that first registered later on the machine


class Verdict(Enum):
    KEEPS = "the same run registers again"
    TAKES_OVER = "a run replaces one that has probably ended"
    RETURNS = "the run before is alive, so the one that replaced it is the second agent"
    REFUSED = "it is the second agent"


def judge(known: Runs, agent: Registering, now: datetime, online_since: datetime) -> Verdict:
    if agent.run is None or known.agent_run is None or agent.number is None:
        return Verdict.TAKES_OVER
    if agent.run == known.agent_run:
        return Verdict.KEEPS
    is_there = known.last_heartbeat is not None and known.last_heartbeat > online_since
    if agent.run == known.refused_run:
        return Verdict.REFUSED if is_there else Verdict.TAKES_OVER
    if agent.number < (known.agent_run_number or 0):
        since = known.agent_run_since
        if since is not None and now - since <= ALIVE_WITHIN:
            return Verdict.RETURNS
        return Verdict.REFUSED if is_there else Verdict.TAKES_OVER
    is_duplicate = is_known_duplicate(known, now) and agent.instance != known.agent_instance
    return Verdict.REFUSED if is_duplicate and is_there else Verdict.TAKES_OVER


def is_known_duplicate(known: Runs, now: datetime) -> bool:
    """Whether a second agent was refused not long ago."""
    at = known.duplicate_agent_at
    return at is not None and now - at <= REMEMBERED


def after(known: Runs, agent: Registering, verdict: Verdict, now: datetime) -> Runs:
    """What is known once the agent has registered."""
    taken = msgspec.structs.replace(
        known,
        agent_instance=agent.instance,
        agent_run=agent.run,
        agent_run_number=agent.number,
        agent_run_since=now,
    )
    if verdict is Verdict.KEEPS:
        return msgspec.structs.replace(taken, agent_run_since=known.agent_run_since)
    if verdict is Verdict.RETURNS:
        return msgspec.structs.replace(
            taken, displaced_run=None, displaced_run_number=None, refused_run=known.agent_run
        )
    return msgspec.structs.replace(
        taken,
        displaced_run=known.agent_run,
        displaced_run_number=known.agent_run_number,
        refused_run=None,
    )
