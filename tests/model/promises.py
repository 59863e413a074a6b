"""What must hold at every step; each by the name it is reported under."""

from functools import cache

from tests.model.agents import DEAD, EXITED
from tests.model.protocol import FAILED, FINAL, RECORDED, RUNNING, Answer, Job, Report, Request
from tests.model.world import Limits, Step, World

ONE_CURRENT = "at most one attempt is current"
ONE_GRANT = "an attempt is granted once"
ONE_KEY = "a claim key is granted one attempt at most"
FOR_GOOD = "a final status is never left"
KEPT = "what was recorded stays as it is"
TRUE_ANSWER = "a report is acknowledged if and only if it is the one recorded"
FENCED = "the result of an old attempt never changes the job"
CANCELED = "after a cancel nothing is granted"
CONSISTENT = "an agent never contradicts itself"
ONE_START = "each attempt starts its script at most once"
FEW_STARTS = "a job starts at most max_attempts times"
DELIVERED = "a report is never given up"
NO_NEEDLESS_LOSS = "messages alone waste no attempt and fail no job"
NOT_STUCK = "a job never gets stuck"  # see explore.py: it is about what may follow
PROMISES = {
    *(ONE_CURRENT, ONE_GRANT, ONE_KEY, FOR_GOOD, KEPT, TRUE_ANSWER, FENCED),
    *(CANCELED, CONSISTENT, ONE_START, FEW_STARTS, DELIVERED, NO_NEEDLESS_LOSS, NOT_STUCK),
}


def broken(before: World, step: Step, limits: Limits) -> str | None:
    """The first promise that a step breaks."""
    after = step.world
    if step.asked is not None and (name := _at_the_server(step, before.job, after.job)):
        return name
    if before.is_canceled and len(after.job.attempts) > len(before.job.attempts):
        return CANCELED
    if after.started is not before.started:
        if len(set(after.started)) < len(after.started):
            return ONE_START
        if len(after.started) > after.job.max_attempts:
            return FEW_STARTS
    if _gives_up(before, after):
        return DELIVERED
    is_loss = after.job.attempt > 1 or after.job.status == FAILED
    return NO_NEEDLESS_LOSS if is_loss and _is_quiet(limits) else None


def _at_the_server(step: Step, before: Job, after: Job) -> str | None:
    kind = type(step.asked)  # told apart by their types: to Python the empty requests are equal
    return _of_answer(kind, before, step.asked, after, step.answer) or _of_job(before, after)


@cache
def _of_job(before: Job, after: Job) -> str | None:
    running = [a for a in after.attempts if a.status == RUNNING]
    if running != ([after.current] if after.current else []) or (
        (after.status == RUNNING) != bool(running)
    ):
        return ONE_CURRENT
    if _has_double([a.number for a in after.attempts]):
        return ONE_GRANT
    if _has_double([(a.robot, a.key) for a in after.attempts]):
        return ONE_KEY
    if before.status in FINAL and after.status != before.status:
        return FOR_GOOD
    then, now = _recorded(before), _recorded(after)
    return KEPT if any(now.get(what) != outcome for what, outcome in then.items()) else None


@cache
def _of_answer(kind: type, before: Job, asked: Request, after: Job, answer: Answer) -> str | None:
    if kind is not Report:
        return None
    named = after.numbered(asked.attempt)
    if answer.word in ("forbidden", "not_claimed", "which_attempt", "result_conflict"):
        return CONSISTENT
    if (answer.word in RECORDED) != (named.outcome == asked.outcome):
        return TRUE_ANSWER
    is_old = asked.attempt != (before.current and before.current.number)
    if is_old and after._replace(attempts=()) != before._replace(attempts=()):
        return FENCED
    return None


def _gives_up(before: World, after: World) -> bool:
    """An agent that is done with a report which the server has never seen."""
    if before.agents is after.agents:
        return False
    for was, agent in zip(before.agents, after.agents, strict=True):
        if was.stage == EXITED and agent.stage not in (EXITED, DEAD):
            named = after.job.numbered(was.attempt)
            if was.outcome not in (named.outcome, named.late):
                return True
    return False


def _is_quiet(limits: Limits) -> bool:
    return not (limits.crashes or limits.leases_end or limits.can_cancel or limits.scripts_fail)


def _recorded(job: Job) -> dict[object, object]:
    found = {a.number: a.outcome for a in job.attempts if a.outcome}
    return found | {"job": job.result} if job.status in FINAL else found


def _has_double(things: list[object]) -> bool:
    return len(set(things)) < len(things)
