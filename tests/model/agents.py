"""The agent's half of the protocol: its journal, what it asks, hears and does, and what it does
after a crash. Each a pure function of the agent.

NOTHING ─► CLAIMING ─► CLAIMED ─► STARTING ─► STARTED ─► EXITED ─► REPORTED ─► NOTHING
            asks        beats      starts      beats      reports   clears away

A stage is a row of the journal, written before the deed it is about. CLAIMED is none: after a
crash the agent asks again with the same key, and is given the same attempt.
"""

from functools import cache
from typing import NamedTuple

from tests.model.protocol import COMPLETED, FAILED, Answer, Beat, Claim, Outcome, Report

NOTHING, CLAIMING, CLAIMED = "NOTHING", "CLAIMING", "CLAIMED"
STARTING, STARTED = "STARTING", "STARTED"
EXITED, REPORTED, DEAD = "EXITED", "REPORTED", "DEAD"
HOLDING = frozenset({CLAIMED, STARTING, STARTED, EXITED})  # its heart renews the lease

WENT_WELL = Outcome(COMPLETED, "went well")
WENT_WRONG = Outcome(FAILED, "went wrong", again="later")
RESTARTED = Outcome(FAILED, "agent restarted", again="at_once")
STOPPED = Outcome(FAILED, "stopped")


class Agent(NamedTuple):
    robot: int
    instance: str  # of its journal
    stage: str = NOTHING
    key: int = 0
    attempt: int = 0
    outcome: Outcome | None = None


class Deed(NamedTuple):
    words: str
    agent: Agent
    starts: int = 0  # the attempt whose script it starts


@cache
def question(agent: Agent) -> Claim | Beat | Report | None:
    """What the agent repeats until it is answered."""
    match agent.stage:
        case "CLAIMING":
            return Claim(agent.robot, agent.key, agent.instance)
        case "CLAIMED" | "STARTED":
            return Beat(agent.robot, agent.attempt)
        case "EXITED":
            return Report(agent.robot, agent.attempt, agent.outcome, agent.key)
    return None


def hear(agent: Agent, answer: Answer) -> Agent:
    """The agent after the answer to its question; the same agent asks again."""
    if agent.stage == CLAIMING:
        return _hear_claim(agent, answer)
    if agent.stage == EXITED:
        return agent._replace(stage=REPORTED)  # every answer to a report is final
    if answer.word != "continue":
        return agent._replace(stage=EXITED, outcome=STOPPED)
    return agent._replace(stage=STARTING) if agent.stage == CLAIMED else agent


def _hear_claim(agent: Agent, answer: Answer) -> Agent:
    if answer.attempt:
        # What was granted to another key was begun by another agent, which may be running it.
        is_ours = answer.key == agent.key
        return agent._replace(stage=CLAIMED, attempt=answer.attempt) if is_ours else agent
    if answer.word == "key_used":
        return rest(agent)
    return agent  # what was granted nothing may be granted something yet, also by a late copy


def begin(agent: Agent, key: int) -> Agent:
    return agent._replace(stage=CLAIMING, key=key)


def rest(agent: Agent) -> Agent:
    return Agent(agent.robot, agent.instance)


def deeds(agent: Agent) -> list[Deed]:
    """What the agent may do next without asking anybody."""
    match agent.stage:
        case "STARTING":
            started = agent._replace(stage=STARTED)
            return [Deed("starts the script", started, starts=agent.attempt)]
        case "STARTED":
            return [
                Deed(f"sees that the script {outcome.content}", exited(agent, outcome))
                for outcome in (WENT_WELL, WENT_WRONG)
            ]
        case "REPORTED":
            return [Deed("clears away", rest(agent))]
    return []


def exited(agent: Agent, outcome: Outcome) -> Agent:
    return agent._replace(stage=EXITED, outcome=outcome)


def recover(agent: Agent) -> Agent:
    """The agent after a crash, by the last row of its journal."""
    match agent.stage:
        case "CLAIMED":
            return begin(rest(agent), agent.key)
        case "STARTING" | "STARTED":
            return exited(agent, RESTARTED)  # never start again
    return agent


def lose(agent: Agent) -> Agent:
    """The agent after its question, or the answer, was lost: it asks again."""
    return agent
