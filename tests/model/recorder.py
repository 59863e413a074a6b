"""Writes down what the real server was asked and what it answered, in the order of its commits.

The units of work are wrapped where they run. A unit takes its place at its end, when it still
holds the locks of what it changes: so, of one job, the places are in the order of the commits, on
PostgreSQL too. What only looks holds no lock, and may have seen a job as it was at any moment
since the unit began.
"""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from orchestrator_server.errors import Forbidden, Invalid, OrchestratorError
from orchestrator_server.jobs import attempts, beats, claiming, lifecycle, service
from tests.model.protocol import (
    Answer,
    Beat,
    Cancel,
    Claim,
    Job,
    KeepLate,
    LeaseEnd,
    Outcome,
    Report,
    Request,
)

AGAIN = {"script_failed": "later", "agent_restarted": "at_once"}
Fact = tuple[int | None, Request | Job, Answer]  # a Job, where one was made


@dataclass
class Event:
    job: int | None  # None: a claim that was given nothing
    asked: Request | Job
    answer: Answer
    at: datetime
    began: int  # how many events there were then
    sees_from: int  # all events before this one were committed by then
    is_settled: bool = False
    is_void: bool = False  # the unit was undone, and run once more


Trace = list[Event]
_noted: ContextVar[Trace] = ContextVar("noted")  # by this call of `write`


class Recorder:
    def __init__(self, monkeypatch, database) -> None:
        self.events: Trace = []
        self._lock = threading.Lock()
        self._patch = monkeypatch
        self._one_by_one = database.dialect == "sqlite"  # one writer: each sees all before it
        self._wrap_write(type(database))
        self._wrap(claiming, "claim", of_claim)
        self._wrap(attempts, "report", of_report)
        self._wrap(attempts, "keep_late", of_keep_late)
        self._wrap(beats, "beat", of_beat)
        self._wrap(attempts, "lose", of_lose)
        self._wrap(service, "cancel", of_cancel)
        self._wrap(service, "create", of_create)

    def _wrap_write(self, kind: type) -> None:
        real = kind.write

        async def write(database, unit, *args, **kwargs):
            noted: Trace = []
            token = _noted.set(noted)
            try:
                return await real(database, unit, *args, **kwargs)
            finally:
                _noted.reset(token)
                for event in noted:
                    event.is_settled = True

        self._patch.setattr(kind, "write", write)

    def _wrap(self, module, name: str, facts_of: Callable[..., list[Fact]]) -> None:
        real = getattr(module, name)

        def unit(tx, *args):
            began, sees_from = self._begin()
            try:
                outcome = real(tx, *args)
            except OrchestratorError as refusal:
                outcome = refusal
            self._end(tx, began, sees_from, facts_of(tx, *args, outcome=outcome))
            if isinstance(outcome, OrchestratorError):
                raise outcome
            return outcome

        self._patch.setattr(module, name, unit)

    def _begin(self) -> tuple[int, int]:
        with self._lock:
            for event in _noted.get():  # of an earlier run of this unit, which was lost
                event.is_void = event.is_settled = True
            began = len(self.events)
            open_ = (n for n, event in enumerate(self.events) if not event.is_settled)
            return began, began if self._one_by_one else next(open_, began)

    def _end(self, tx, began: int, sees_from: int, facts: list[Fact]) -> None:
        with self._lock:
            for job, asked, answer in facts:
                event = Event(job, asked, answer, tx.now, began, sees_from)
                self.events.append(event)
                _noted.get().append(event)


def of_claim(tx, robot, held, wanted, settings, token, *, outcome) -> list[Fact]:
    asked = Claim(robot.id, wanted.claim_key, wanted.agent_instance)
    if isinstance(outcome, OrchestratorError):
        return [(None, asked, _refused(outcome))]
    given = outcome.job
    if given is None:
        return [(None, asked, Answer("key_used" if outcome.key_used else "nothing"))]
    word = "redelivered" if given.redelivered else "granted"
    return [(given.id, asked, Answer(word, given.attempt, given.claim_key))]


def of_report(tx, robot, job_id, wanted, settings, *, outcome) -> list[Fact]:
    asked = Report(robot.id, wanted.attempt, said_by(wanted), wanted.claim_key)
    if isinstance(outcome, OrchestratorError):
        return [(job_id, asked, _refused(outcome))]
    return [(job_id, asked, Answer("already" if outcome.already else "ok"))]


def of_keep_late(tx, robot, job_id, wanted, *, outcome) -> list[Fact]:
    asked = KeepLate(robot.id, wanted.attempt, said_by(wanted), wanted.claim_key)
    return [(job_id, asked, Answer("kept") if outcome is None else _refused(outcome))]


def of_beat(tx, robot, jobs, settings, *, outcome) -> list[Fact]:
    return [(said.id, Beat(robot.id, said.attempt), Answer(said.action)) for said in outcome]


def of_lose(tx, limit, *, outcome) -> list[Fact]:
    words = {"pending": "requeued"}
    return [(job, LeaseEnd(), Answer(words.get(s := _status(tx, job), s))) for job in outcome]


def of_cancel(tx, actor, job_id, *, outcome) -> list[Fact]:
    return [(job_id, Cancel(), Answer(str(outcome.status)))]


def of_create(tx, person, wanted, settings, *, outcome) -> list[Fact]:
    return [(outcome.job.id, Job(outcome.job.max_attempts), Answer("made"))]


def said_by(report) -> Outcome:
    """What a report says, and what the semantics make of its cause."""
    reason = None if report.status == "completed" else report.reason or "script_failed"
    content = msgspec.json.encode([report.result, report.error_message, reason]).decode()
    again = "never" if report.error_type == "business" else AGAIN.get(reason, "never")
    return Outcome(report.status, content, again)


def _refused(refusal: OrchestratorError) -> Answer:
    by_type: dict[type, str] = {Forbidden: "forbidden", Invalid: "which_attempt"}
    word = refusal.kind or by_type[type(refusal)]
    return Answer(word.replace("-", "_"))


def _status(tx, job_id: int) -> str:
    query: dict[str, Any] = {"missing": "", "id": job_id}
    return str(tx.one(service.sql.lock_state, lifecycle.State, **query).status)
