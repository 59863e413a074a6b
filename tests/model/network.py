"""What is on its way between the agents and the server: a multiset, as a sorted tuple.

An agent repeats its question until it is answered, so a question that is lost is one that has
not arrived yet. What costs something is an answer that is lost, and a copy that comes late.
"""

from functools import cache
from typing import NamedTuple

from tests.model.agents import Agent, question
from tests.model.protocol import Answer, Beat, Claim, Report


class Question(NamedTuple):
    sender: int  # the place of the agent
    asked: Claim | Beat | Report


class Reply(NamedTuple):
    sender: int
    asked: Claim | Beat | Report
    answer: Answer


Message = Question | Reply
Network = tuple[Message, ...]


@cache
def put(network: Network, message: Message | None) -> Network:
    if message is None or (type(message) is Reply and message in network):
        return network  # nobody listens to the second of two equal answers
    return tuple(sorted((*network, message), key=_place))


@cache
def without(network: Network, message: Message) -> Network:
    left = list(network)
    left.remove(message)
    return tuple(left)


@cache
def settled(network: Network, sender: int, agent: Agent) -> Network:
    """What the agent asks is on its way; answers that it waits for no more are gone.

    So are its old beats: at the server of this model a beat changes nothing.
    """
    asked = question(agent)
    kept = tuple(m for m in network if m.sender != sender or m.asked == asked or _is_late(m))
    if asked is None or any(m.sender == sender and m.asked == asked for m in kept):
        return kept
    return put(kept, Question(sender, asked))


@cache
def without_late_claims(network: Network, sender: int, agent: Agent) -> Network:
    asked = question(agent)
    return tuple(
        m for m in network if m.sender != sender or m.asked == asked or type(m.asked) is not Claim
    )


@cache
def brings_a_grant(network: Network, sender: int) -> bool:
    return any(m.sender == sender and type(m) is Reply and m.answer.attempt for m in network)


def _is_late(message: Message) -> bool:
    """It was asked before, and the server may still hear it."""
    return type(message) is Question and type(message.asked) is not Beat


@cache
def _place(message: Message) -> tuple[str, ...]:
    return type(message).__name__, repr(message)
