"""One job, its agents and what is on its way between them: every step that may come next."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import count
from typing import NamedTuple

from tests.model import agents, protocol
from tests.model.agents import (
    CLAIMING,
    DEAD,
    HOLDING,
    NOTHING,
    REPORTED,
    WENT_WRONG,
    Agent,
    question,
)
from tests.model.network import (
    Network,
    Question,
    Reply,
    brings_a_grant,
    put,
    settled,
    without,
    without_late_claims,
)
from tests.model.protocol import (
    CANCELED,
    FINAL,
    TOO_LATE,
    Answer,
    Beat,
    Cancel,
    Claim,
    Job,
    KeepLate,
    LeaseEnd,
    PauseOver,
    Request,
    Served,
)

VERBS = {kind: cache(verb) for kind, verb in protocol.VERBS.items()}
TWO_ROBOTS = (Agent(1, "a"), Agent(2, "b"))


class Limits(NamedTuple):
    """What may go wrong, and how often. Answers may be lost as often as you like."""

    agents: tuple[Agent, ...] = TWO_ROBOTS
    max_attempts: int = 2
    crashes: int = 0
    gone: int = 0  # agents that crash and never come back
    copies: int = 0  # questions that arrive while a copy is still on its way
    comes_late: bool = False  # the job is made when somebody may have asked in vain
    leases_end: bool = True
    can_cancel: bool = True
    scripts_fail: bool = True


class Rules(NamedTuple):
    """Both halves of the protocol; a mutant replaces one of these."""

    verbs: Mapping[type, Callable[..., Served]] = VERBS
    hear: Callable[[Agent, Answer], Agent] = agents.hear
    deeds: Callable[[Agent], list[agents.Deed]] = agents.deeds
    recover: Callable[[Agent], Agent] = agents.recover
    lose: Callable[[Agent], Agent] = agents.lose

    def serve(self, job: Job, request: Request) -> Served:
        return self.verbs[type(request)](job, request)


class World(NamedTuple):
    job: Job
    agents: tuple[Agent, ...]
    network: Network = ()
    crashes: int = 0
    copies: int = 0
    started: tuple[int, ...] = ()  # each attempt whose script was started, as often as it was
    is_canceled: bool = False  # and somebody was told so


class Step(NamedTuple):
    words: tuple[object, ...]
    world: World
    is_fault: bool = False
    asked: Request | None = None  # what the server was asked in it
    answer: Answer | None = None


def first(limits: Limits) -> World:
    return World(Job(limits.max_attempts, is_resting=limits.comes_late), limits.agents)


def steps(world: World, rules: Rules, limits: Limits) -> Iterator[Step]:
    for place, agent in enumerate(world.agents):
        if agent.stage == REPORTED:  # nobody sees it clear away, so nothing need come between
            return _deeds(world, rules, limits, place, agent)
    return _steps(world, rules, limits)


def is_held(world: World) -> bool:
    """Whether the heart of an agent renews the lease of the current attempt."""
    current = world.job.current
    return current is not None and any(
        agent.robot == current.robot and agent.attempt == current.number and agent.stage in HOLDING
        for agent in world.agents
    )


def _steps(world: World, rules: Rules, limits: Limits) -> Iterator[Step]:
    for message in dict.fromkeys(world.network):
        if type(message) is Reply:
            yield from _answer(world, message, rules)
        else:
            yield from _question(world, message, rules, limits)
    for place, agent in enumerate(world.agents):
        if agent.stage == NOTHING and world.job.status not in FINAL:
            asking = agents.begin(agent, _fresh_key(world, agent.robot))
            yield Step((agent, "asks for a job"), _with_agent(world, place, asking))
        yield from _deeds(world, rules, limits, place, agent)
        if agent.stage != DEAD:
            yield from _crashes(world, rules, limits, place, agent)
    yield from _by_itself(world, rules, limits)


def _answer(world: World, reply: Reply, rules: Rules) -> Iterator[Step]:
    agent, rest = world.agents[reply.sender], without(world.network, reply)
    heard = _with_agent(world, reply.sender, rules.hear(agent, reply.answer), rest)
    yield Step((reply, "arrives"), heard)
    lost = _with_agent(world, reply.sender, rules.lose(agent), rest)
    yield Step((reply, "is lost"), lost, is_fault=True)


def _question(world: World, message: Question, rules: Rules, limits: Limits) -> Iterator[Step]:
    place, asked = message
    agent, rest = world.agents[place], without(world.network, message)
    job, answer = rules.serve(world.job, asked)
    if answer.word in TOO_LATE:
        job, _ = rules.serve(job, KeepLate(*asked))
    is_awaited = asked == question(agent)
    reply = None
    if is_awaited and rules.hear(agent, answer) != agent:
        reply = Reply(place, asked, answer)
    words = (message, "arrives; the answer is", answer)
    yield Step(words, _served(world, job, put(rest, reply), place), asked=asked, answer=answer)
    if world.copies < limits.copies and type(asked) is not Beat:
        words = (*words, "and a copy is still on its way")
        copied = world._replace(copies=world.copies + 1)
        after = _served(copied, job, put(world.network, reply), place)
        yield Step(words, after, True, asked, answer)
    if is_awaited and (lost := rules.lose(agent)) != agent:
        yield Step((message, "is lost"), _with_agent(world, place, lost, rest), is_fault=True)


def _deeds(world: World, rules: Rules, limits: Limits, place: int, agent: Agent) -> Iterator[Step]:
    for deed in rules.deeds(agent):
        if deed.agent.outcome != WENT_WRONG or limits.scripts_fail:
            done = _with_agent(world, place, deed.agent)
            if deed.starts:
                done = done._replace(started=tuple(sorted((*world.started, deed.starts))))
            yield Step((agent, deed.words), done)


def _crashes(
    world: World, rules: Rules, limits: Limits, place: int, agent: Agent
) -> Iterator[Step]:
    """Where a crash changes nothing, a lost answer has shown what can come of it.

    An agent that is away for a while is one that takes no step.
    """
    back = rules.recover(agent)
    if world.crashes < limits.crashes and back != agent:
        after = _with_agent(world._replace(crashes=world.crashes + 1), place, back)
        yield Step((agent, "crashes and is back"), after, True)
    gone = sum(other.stage == DEAD for other in world.agents)
    if gone < limits.gone and world.job.status not in FINAL:
        dead = agents.rest(agent)._replace(stage=DEAD)
        yield Step((agent, "is gone for good"), _with_agent(world, place, dead), True)


def _by_itself(world: World, rules: Rules, limits: Limits) -> Iterator[Step]:
    """A lease may end, a pause be over and a person cancel at any moment."""
    may_happen: list[tuple[Request, bool]] = [(PauseOver(), False)]
    if limits.leases_end:
        may_happen.append((LeaseEnd(), is_held(world)))
    if limits.can_cancel:
        may_happen.append((Cancel(), True))
    for request, is_fault in may_happen:
        job, answer = rules.serve(world.job, request)
        is_told = type(request) is Cancel and answer.word == CANCELED
        if job != world.job or is_told > world.is_canceled:
            after = _served(world, job, world.network)
            after = after._replace(is_canceled=world.is_canceled or is_told)
            yield Step((request, "is answered", answer), after, is_fault, request, answer)


def _with_agent(world: World, place: int, agent: Agent, network: Network | None = None) -> World:
    everyone = (*world.agents[:place], agent, *world.agents[place + 1 :])
    network = settled(world.network if network is None else network, place, agent)
    if world.job.status in FINAL:
        everyone, network = _without_hope(everyone, network)
    return World(world.job, everyone, network, *world[3:])


def _served(world: World, job: Job, network: Network, place: int | None = None) -> World:
    everyone = world.agents
    if place is not None:
        network = settled(network, place, everyone[place])
    if job.status in FINAL:
        everyone, network = _without_hope(everyone, network)
    return World(job, everyone, network, *world[3:])


@cache
def _without_hope(
    everyone: tuple[Agent, ...], network: Network
) -> tuple[tuple[Agent, ...], Network]:
    """A job that has ended is granted to nobody, so who asks for one is as good as answered."""
    rested = []
    for place, agent in enumerate(everyone):
        if agent.stage == CLAIMING and not brings_a_grant(network, place):
            agent = agents.rest(agent)
        network = without_late_claims(network, place, agent)
        rested.append(agent)
    return tuple(rested), network


def _fresh_key(world: World, robot: int) -> int:
    """The lowest that is not known any more: a key that nobody remembers is as good as new."""
    used = {a.key for a in world.job.attempts if a.robot == robot}
    claims = (m.asked for m in world.network if type(m.asked) is Claim)
    used |= {asked.key for asked in claims if asked.robot == robot}
    return next(key for key in count(1) if key not in used)
