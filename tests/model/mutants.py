"""Protocols that are a little wrong, each with the promise that it breaks.

If one of these could pass, the exploration would be looking past what it is there to see.
"""

from typing import NamedTuple

from tests.model import agents, promises, protocol
from tests.model.agents import CLAIMED, CLAIMING, EXITED, RESTARTED, STARTED, STARTING, Agent, Deed
from tests.model.protocol import (
    CANCELED,
    PENDING,
    Answer,
    Beat,
    Cancel,
    Claim,
    Job,
    LeaseEnd,
    Report,
    Served,
)
from tests.model.world import VERBS, Limits, Rules

TWO_ROBOTS = Limits(crashes=1, copies=1)
ONE_ROBOT = Limits(agents=(Agent(1, "a"),), crashes=1, copies=1)
TWO_AGENTS = (Agent(1, "a"), Agent(1, "b"))  # of one robot: a cloned machine, or a lost journal
OF_ONE_ROBOT = Limits(TWO_AGENTS)
ONE_GONE = Limits(gone=1)
ONE_ATTEMPT = Limits(max_attempts=1)
MESSAGES_ALONE = Limits(
    copies=2, comes_late=True, leases_end=False, can_cancel=False, scripts_fail=False
)


class Mutant(NamedTuple):
    name: str
    rules: Rules
    breaks: str
    limits: Limits = TWO_ROBOTS


def server(**verbs) -> Rules:
    """The rules with other verbs; `of_claim` answers claims, and so on."""
    kinds = {
        "of_claim": Claim,
        "of_report": Report,
        "of_lease_end": LeaseEnd,
        "of_cancel": Cancel,
        "of_beat": Beat,
    }
    return Rules(verbs=VERBS | {kinds[name]: verb for name, verb in verbs.items()})


def grant_an_old_key(job: Job, ask: Claim) -> Served:
    served, answer = protocol.claim(job, ask)
    if answer.word == "key_used" and job.status == PENDING:
        return protocol.grant(job, ask)
    return served, answer


def count_a_redelivery(job: Job, ask: Claim) -> Served:
    served, answer = protocol.claim(job, ask)
    if answer.word != "redelivered":
        return served, answer
    counted = job.current._replace(number=job.attempt + 1)
    job = job._replace(attempt=counted.number, attempts=(*job.attempts[:-1], counted))
    return job, answer._replace(attempt=counted.number)


def never_redeliver(job: Job, ask: Claim) -> Served:
    served, answer = protocol.claim(job, ask)
    return served, Answer("nothing") if answer.word == "redelivered" else answer


def look_at_no_instance(job: Job, ask: Claim) -> Served:
    return protocol.claim(job, ask._replace(instance=None))


def accept_anyway(refusal: str):
    def report(job: Job, said: Report) -> Served:
        served, answer = protocol.report(job, said)
        if answer.word != refusal:
            return served, answer
        return protocol.record(job, job.numbered(said.attempt), said.outcome), Answer("ok")

    return report


def refuse_the_same_again(job: Job, said: Report) -> Served:
    served, answer = protocol.report(job, said)
    return served, Answer("stale_attempt") if answer.word == "already" else answer


def requeue_under_the_same_number(job: Job, end: LeaseEnd) -> Served:
    served, answer = protocol.lease_end(job, end)
    if served.status == PENDING:
        served = served._replace(attempt=served.attempt - 1)
    return served, answer


def requeue_and_forget_the_attempt(job: Job, end: LeaseEnd) -> Served:
    served, answer = protocol.lease_end(job, end)
    return served._replace(attempts=job.attempts), answer


def requeue_for_ever(job: Job, end: LeaseEnd) -> Served:
    served, answer = protocol.lease_end(job._replace(max_attempts=job.attempt + 1), end)
    return served._replace(max_attempts=job.max_attempts), answer


def never_end_a_lease(job: Job, _: LeaseEnd) -> Served:
    return job, Answer("nothing")


def note_the_cancel_of_a_waiting_job(job: Job, cancel: Cancel) -> Served:
    return (job, Answer(CANCELED)) if job.status == PENDING else protocol.cancel(job, cancel)


def leave_the_attempt_of_a_canceled_job(job: Job, cancel: Cancel) -> Served:
    served, answer = protocol.cancel(job, cancel)
    return served._replace(attempts=job.attempts), answer


def let_a_lost_report_be(agent: Agent) -> Agent:
    return agents.rest(agent) if agent.stage == EXITED else agent


def ask_again_with_a_used_key(agent: Agent, answer: Answer) -> Agent:
    return agent if answer.word == "key_used" else agents.hear(agent, answer)


def take_a_fresh_key_each_time(agent: Agent, answer: Answer) -> Agent:
    return agents.rest(agent) if answer.word == "nothing" else agents.hear(agent, answer)


def disown_what_an_older_key_got(agent: Agent, answer: Answer) -> Agent:
    heard = take_a_fresh_key_each_time(agent, answer)
    if answer.attempt and answer.key != agent.key:
        return agents.exited(heard._replace(attempt=answer.attempt, key=answer.key), RESTARTED)
    return heard


def run_whatever_is_given(agent: Agent, answer: Answer) -> Agent:
    if agent.stage == CLAIMING and answer.attempt:
        return agent._replace(stage=CLAIMED, key=answer.key, attempt=answer.attempt)
    return take_a_fresh_key_each_time(agent, answer)


def repeat_what_was_refused(agent: Agent, answer: Answer) -> Agent:
    is_refused = agent.stage == EXITED and answer.word not in protocol.RECORDED
    return agent if is_refused else agents.hear(agent, answer)


def start_again_what_was_started(agent: Agent) -> Agent:
    return agent._replace(stage=STARTING) if agent.stage == STARTED else agents.recover(agent)


def forget_how_it_exited(agent: Agent) -> Agent:
    return agents.exited(agent, RESTARTED) if agent.stage == EXITED else agents.recover(agent)


def run_what_is_claimed(agent: Agent) -> Agent:
    return agent if agent.stage == CLAIMED else agents.recover(agent)


def start_first_and_write_then(agent: Agent) -> list[Deed]:
    if agent.stage != STARTING:
        return agents.deeds(agent)
    if agent.outcome is None:
        begun = agent._replace(outcome=RESTARTED)  # a mark: begun, and no row says so
        return [Deed("starts the script", begun, starts=agent.attempt)]
    return [Deed("writes STARTED", agent._replace(stage=STARTED, outcome=None))]


def run_what_no_row_says_was_started(agent: Agent) -> Agent:
    unwritten = agent.stage == STARTING
    return agent._replace(stage=CLAIMED, outcome=None) if unwritten else agents.recover(agent)


NO_INSTANCE = server(of_claim=look_at_no_instance)
ANY_KEY = Rules(hear=run_whatever_is_given)
NO_GUARD = NO_INSTANCE._replace(hear=run_whatever_is_given)
ROW_AFTER_DEED = Rules(deeds=start_first_and_write_then, recover=run_what_no_row_says_was_started)

# Other protocols that keep every promise, too.
VARIANTS = {
    "a row CLAIMED, fresh keys, and what is given is run": ANY_KEY._replace(
        recover=run_what_is_claimed
    ),
    "only the agent tells two agents of one robot apart": NO_INSTANCE,
    "only the server tells two agents of one robot apart": ANY_KEY,
}

MUTANTS = [
    Mutant("an old key is granted again", server(of_claim=grant_an_old_key), promises.ONE_KEY),
    Mutant(
        "a redelivery counts as an attempt",
        server(of_claim=count_a_redelivery),
        promises.NO_NEEDLESS_LOSS,
        MESSAGES_ALONE,
    ),
    Mutant(
        "nothing is redelivered",
        server(of_claim=never_redeliver),
        promises.NOT_STUCK,
        MESSAGES_ALONE,
    ),
    Mutant(
        "nobody tells two agents of one robot apart",
        NO_GUARD,
        promises.ONE_START,
        OF_ONE_ROBOT,
    ),
    Mutant(
        "a stale report counts", server(of_report=accept_anyway("stale_attempt")), promises.FENCED
    ),
    Mutant(
        "the report of a canceled job counts",
        server(of_report=accept_anyway("job_canceled")),
        promises.FENCED,
    ),
    Mutant(
        "a repeated report is applied again",
        server(of_report=accept_anyway("already")),
        promises.FENCED,
    ),
    Mutant(
        "a repeated report is refused",
        server(of_report=refuse_the_same_again),
        promises.TRUE_ANSWER,
    ),
    Mutant(
        "a requeue keeps the attempt's number",
        server(of_lease_end=requeue_under_the_same_number),
        promises.ONE_GRANT,
    ),
    Mutant(
        "a lease ends and its attempt does not",
        server(of_lease_end=requeue_and_forget_the_attempt),
        promises.ONE_CURRENT,
    ),
    Mutant(
        "a job without attempts left is requeued",
        server(of_lease_end=requeue_for_ever),
        promises.FEW_STARTS,
        ONE_ATTEMPT,
    ),
    Mutant("no lease ends", server(of_lease_end=never_end_a_lease), promises.NOT_STUCK, ONE_GONE),
    Mutant(
        "a waiting job is canceled by a note",
        server(of_cancel=note_the_cancel_of_a_waiting_job),
        promises.CANCELED,
    ),
    Mutant(
        "a cancel leaves the attempt running",
        server(of_cancel=leave_the_attempt_of_a_canceled_job),
        promises.ONE_CURRENT,
    ),
    Mutant("a report is tried once", Rules(lose=let_a_lost_report_be), promises.DELIVERED),
    Mutant(
        "a used key is used for ever",
        Rules(hear=ask_again_with_a_used_key),
        promises.NOT_STUCK,
        ONE_ROBOT,
    ),
    Mutant(
        "each question has a fresh key",
        Rules(hear=take_a_fresh_key_each_time),
        promises.NOT_STUCK,
        MESSAGES_ALONE,
    ),
    Mutant(
        "what an older key got is disowned",
        Rules(hear=disown_what_an_older_key_got),
        promises.NO_NEEDLESS_LOSS,
        MESSAGES_ALONE,
    ),
    Mutant(
        "a refused report is repeated for ever",
        Rules(hear=repeat_what_was_refused),
        promises.NOT_STUCK,
        ONE_ROBOT,
    ),
    Mutant(
        "a started script is started again",
        Rules(recover=start_again_what_was_started),
        promises.ONE_START,
    ),
    Mutant("STARTING is written after the start", ROW_AFTER_DEED, promises.ONE_START),
    Mutant(
        "EXITED is written after the report",
        Rules(recover=forget_how_it_exited),
        promises.CONSISTENT,
    ),
]
