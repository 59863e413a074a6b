"""Verbs of the server, and ways of the agent, that are a little wrong; see mutants.py."""

from collections.abc import Callable

from tests.model import agents, protocol
from tests.model.agents import CLAIMED, CLAIMING, EXITED, RESTARTED, STARTED, STARTING, Agent, Deed
from tests.model.protocol import (
    CANCELED,
    FINAL,
    PENDING,
    Answer,
    Cancel,
    Claim,
    Job,
    LeaseEnd,
    Report,
    Served,
)


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


def accept_anyway(refusal: str) -> Callable[[Job, Report], Served]:
    def report(job: Job, said: Report) -> Served:
        served, answer = protocol.report(job, said)
        if answer.word != refusal:
            return served, answer
        return protocol.record(job, job.numbered(said.attempt), said.outcome), Answer("ok")

    return report


def refuse_the_same_again(job: Job, said: Report) -> Served:
    served, answer = protocol.report(job, said)
    return served, Answer("stale_attempt") if answer.word == "already" else answer


def overwrite_the_first_report(job: Job, said: Report) -> Served:
    served, answer = protocol.report(job, said)
    if answer.word != "result_conflict":
        return served, answer
    named = job.numbered(said.attempt)
    return job.with_attempt(named._replace(outcome=said.outcome)), Answer("ok")


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


def cancel_what_has_ended(job: Job, cancel: Cancel) -> Served:
    if job.status not in FINAL:
        return protocol.cancel(job, cancel)
    return job._replace(status=CANCELED), Answer(CANCELED)


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
