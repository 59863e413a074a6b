"""Replays what the real server said through the model, and says where the two differ.

Each job is a model of its own. A claim is a question to all of them: a robot that was given one
has no other, and a robot that was given none could have had none.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.model.protocol import Answer, Claim, Job, PauseOver, serve
from tests.model.recorder import Event, Trace

PAUSE = timedelta(seconds=10)  # after the first failure; twice as long after the next, and so on
NOT_MADE = Job(status="not made yet")
AT_ONCE = datetime.min.replace(tzinfo=UTC)


class State(NamedTuple):
    place: int  # of the event that brought the job there
    job: Job
    eligible_at: datetime = AT_ONCE

    def at(self, now: datetime) -> Job:
        is_over = self.job.is_resting and now >= self.eligible_at
        return serve(self.job, PauseOver())[0] if is_over else self.job


class Replay:
    """`differences` is empty when the model says the same at each step."""

    def __init__(self, trace: Trace) -> None:
        self.differences: list[str] = []
        self._states = defaultdict(lambda: [State(-1, NOT_MADE)])
        self._touches: dict[int, list[Event]] = defaultdict(list)
        self._places = {id(event): place for place, event in enumerate(trace)}
        for event in trace:  # a unit that was undone held its locks until then, too
            if event.job is not None and event.answer.word != "redelivered":
                self._touches[event.job].append(event)
                self._states[event.job]  # so that every claim asks all jobs
        for event in (event for event in trace if not event.is_void):
            self._follow(event)

    @property
    def jobs(self) -> dict[int, Job]:
        return {number: states[-1].job for number, states in self._states.items()}

    def _follow(self, event: Event) -> None:
        if type(event.asked) is Claim:
            self._follow_claim(event)
        elif type(event.asked) is Job:
            self._move(event, event.asked)
        else:
            self._serve(event)

    def _serve(self, event: Event) -> None:
        job, answer = serve(self._states[event.job][-1].at(event.at), event.asked)
        self._move(event, job)
        if answer != event.answer:
            self._differ(event, event.job, [answer])

    def _move(self, event: Event, job: Job) -> None:
        known = self._states[event.job][-1]
        if job != known.job:
            pause = PAUSE * 2 ** max(job.attempt - 1, 0)
            eligible_at = event.at + pause if job.is_resting else AT_ONCE
            self._states[event.job].append(State(self._places[id(event)], job, eligible_at))

    def _follow_claim(self, event: Event) -> None:
        word = event.answer.word
        given = event.job if word in ("granted", "redelivered") else None
        if word == "granted":
            self._serve(event)
        owners = 0
        for number in list(self._states):
            answers = [serve(job, event.asked)[1] for job in self._seen_by(event, number)]
            owners += event.answer.word in {answer.word for answer in answers}
            if number == given:
                is_right = word == "granted" or event.answer in answers
            else:
                is_right = self._is_another(event, number, answers)
            if not is_right:
                self._differ(event, number, answers)
        if word in ("key_used", "robot_in_use") and not owners:
            self._differ(event, None, [])

    def _seen_by(self, event: Event, number: int) -> Iterator[Job]:
        """The job as it was at each moment at which a unit without a lock may have looked."""
        states, place = self._states[number], self._places[id(event)]
        before = [state for state in states if state.place < place]
        since = [n for n, state in enumerate(before) if state.place < event.sees_from]
        return (state.at(event.at) for state in before[since[-1] :])

    def _is_another(self, event: Event, number: int, answers: list[Answer]) -> bool:
        """Whether a claim may be answered so although this job is there."""
        others = {
            "nothing": {"nothing"},
            "granted": {"nothing", "granted"} if number > (event.job or 0) else {"nothing"},
            "key_used": {"nothing", "granted", "key_used"},
            "redelivered": {"nothing", "granted", "key_used"},
            "robot_in_use": {"nothing", "granted", "key_used", "robot_in_use"},
        }[event.answer.word]
        words = {answer.word for answer in answers}
        return bool(words & others) or ("granted" in words and self._is_locked(event, number))

    def _is_locked(self, event: Event, number: int) -> bool:
        """Whether another unit had the job in its hands: who claims then steps over it."""
        place = self._places[id(event)]
        return any(
            event.sees_from <= self._places[id(other)] and other.began <= place
            for other in self._touches[number]
            if other is not event
        )

    def _differ(self, event: Event, number: int | None, answers: list[Answer]) -> None:
        expected = " or ".join(sorted({answer.word for answer in answers})) or "nobody's answer"
        self.differences.append(
            f"event {self._places[id(event)]}: {event.asked} about job {event.job} was answered "
            f"{event.answer}; for job {number} the model says {expected}"
        )
