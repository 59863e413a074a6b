"""The server's half of the protocol, as one pure function from a job and a request to an answer.

A job is all the state there is. Time is not in it: a lease may end and a pause may be over at
any moment, so both are requests like the others.
"""

from typing import NamedTuple

PENDING, RUNNING = "pending", "running"
COMPLETED, FAILED, CANCELED, LOST = "completed", "failed", "canceled", "lost"
FINAL = frozenset({COMPLETED, FAILED, CANCELED})


class Outcome(NamedTuple):
    """What a report says. `again` is when its cause lets the job be tried again."""

    status: str  # completed | failed
    content: str = ""
    again: str = "never"  # never | at_once | later


class Attempt(NamedTuple):
    number: int
    robot: int
    key: object
    instance: object
    status: str = RUNNING  # running | completed | failed | canceled | lost
    outcome: Outcome | None = None
    late: Outcome | None = None  # a report that was refused, kept with the attempt


class Job(NamedTuple):
    max_attempts: int = 2
    status: str = PENDING
    attempt: int = 0
    attempts: tuple[Attempt, ...] = ()
    result: Outcome | None = None
    is_resting: bool = False  # between a failure and the next attempt

    @property
    def current(self) -> Attempt | None:
        """The attempt whose report would count."""
        found = self.numbered(self.attempt) if self.status == RUNNING else None
        return found if found and found.status == RUNNING else None

    def numbered(self, number: int) -> Attempt | None:
        return next((a for a in reversed(self.attempts) if a.number == number), None)

    def with_attempt(self, changed: Attempt) -> "Job":
        kept = tuple(changed if a.number == changed.number else a for a in self.attempts)
        return self._replace(attempts=kept)


class Claim(NamedTuple):
    robot: int
    key: object
    instance: object


class Beat(NamedTuple):
    robot: int
    attempt: int


class Report(NamedTuple):
    robot: int
    attempt: int | None
    outcome: Outcome
    key: object = None  # to which the attempt was granted, if the robot says so


class KeepLate(NamedTuple):
    """What the server asks of itself when it has refused a report that came too late."""

    robot: int
    attempt: int | None
    outcome: Outcome
    key: object = None


class LeaseEnd(NamedTuple): ...


class PauseOver(NamedTuple): ...


class Cancel(NamedTuple): ...


Request = Claim | Beat | Report | KeepLate | LeaseEnd | PauseOver | Cancel


class Answer(NamedTuple):
    word: str
    attempt: int = 0  # of a grant
    key: object = 0  # to which that attempt was granted


Served = tuple[Job, Answer]
TOO_LATE = frozenset({"stale_attempt", "job_canceled"})
RECORDED = frozenset({"ok", "already"})


def claim(job: Job, ask: Claim) -> Served:
    current = job.current
    if current and current.robot == ask.robot:
        if None not in (current.instance, ask.instance) and current.instance != ask.instance:
            return job, Answer("robot_in_use")
        return job, Answer("redelivered", current.number, current.key)
    if ask.key is not None and any(a[1:3] == ask[:2] for a in job.attempts):
        return job, Answer("key_used")
    if job.status != PENDING or job.is_resting:
        return job, Answer("nothing")
    return grant(job, ask)


def grant(job: Job, ask: Claim) -> Served:
    granted = Attempt(job.attempt + 1, *ask)
    job = job._replace(status=RUNNING, attempt=granted.number, attempts=(*job.attempts, granted))
    return job, Answer("granted", granted.number, granted.key)


def beat(job: Job, said: Beat) -> Served:
    named = job.numbered(said.attempt)
    if named is None or named.robot != said.robot or named.number != job.attempt:
        return job, Answer("forget")
    if named.status == RUNNING:
        return job, Answer("continue")
    return job, Answer("stop" if named.status == CANCELED else "forget")


def report(job: Job, said: Report) -> Served:
    named, refusal = find(job, said)
    if named is None:
        return job, Answer(refusal)
    if said.key not in (None, named.key):
        return job, Answer("stale_attempt")  # its number was given anew, after a restore
    if named.status in (COMPLETED, FAILED):
        return job, Answer("already" if named.outcome == said.outcome else "result_conflict")
    if job.status == CANCELED:
        return job, Answer("job_canceled")
    if named != job.current:
        return job, Answer("stale_attempt")
    return record(job, named, said.outcome), Answer("ok")


def find(job: Job, said: Report | KeepLate) -> tuple[Attempt | None, str]:
    """The attempt a robot speaks of, or the word that refuses to look for it."""
    if said.attempt is None and job.attempt > 1:
        return None, "which_attempt"
    named = job.numbered(said.attempt or job.attempt)
    if named is None:
        return None, "not_claimed"
    return (named, "") if named.robot == said.robot else (None, "forbidden")


def record(job: Job, named: Attempt, outcome: Outcome) -> Job:
    job = job.with_attempt(named._replace(status=outcome.status, outcome=outcome))
    if outcome.again != "never" and job.attempt < job.max_attempts:
        return job._replace(status=PENDING, is_resting=outcome.again == "later")
    return job._replace(status=outcome.status, result=outcome)


def keep_late(job: Job, said: KeepLate) -> Served:
    named, refusal = find(job, said)
    if named is None:
        return job, Answer(refusal)
    return job.with_attempt(named._replace(late=named.late or said.outcome)), Answer("kept")


def lease_end(job: Job, _: LeaseEnd) -> Served:
    if job.current is None:
        return job, Answer("nothing")
    job = job.with_attempt(job.current._replace(status=LOST))
    if job.attempt < job.max_attempts:
        return job._replace(status=PENDING), Answer("requeued")
    return job._replace(status=FAILED, result=Outcome(FAILED)), Answer("failed")


def pause_over(job: Job, _: PauseOver) -> Served:
    return job._replace(is_resting=False), Answer("eligible")


def cancel(job: Job, _: Cancel) -> Served:
    if job.status in FINAL:
        return job, Answer(job.status)
    if job.current:
        job = job.with_attempt(job.current._replace(status=CANCELED))
    return job._replace(status=CANCELED, is_resting=False), Answer(CANCELED)


VERBS = {
    Claim: claim,
    Beat: beat,
    Report: report,
    KeepLate: keep_late,
    LeaseEnd: lease_end,
    PauseOver: pause_over,
    Cancel: cancel,
}


def serve(job: Job, request: Request) -> Served:
    return VERBS[type(request)](job, request)
