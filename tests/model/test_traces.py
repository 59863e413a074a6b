"""What the real server does is what the model does: recorded runs, replayed step by step."""

from dataclasses import replace

import msgspec
import pytest

from orchestrator_server.http.keys import DATABASE
from sdk.contract.runner import JobReport
from tests.model.protocol import Answer, Claim, Job
from tests.model.recorder import Recorder, said_by
from tests.model.replay import Replay
from tests.model.script import Script
from tests.model.traffic import Traffic

ROUNDS = 50
EVERY_ANSWER = {
    "Beat": {"continue", "stop", "forget"},
    "Cancel": {"canceled", "completed"},
    "Claim": {"granted", "redelivered", "robot_in_use", "key_used", "nothing"},
    "Job": {"made"},
    "KeepLate": {"kept"},
    "LeaseEnd": {"requeued", "failed"},
    "Report": {
        *("ok", "already", "result_conflict", "stale_attempt"),
        *("job_canceled", "not_claimed", "which_attempt", "forbidden"),
    },
}


@pytest.fixture
def recorder(monkeypatch, server):
    return Recorder(monkeypatch, server[DATABASE])


@pytest.fixture
async def told_everything(server, admin, clock, recorder):
    """The trace of a run, one request after the other, that gets every answer there is."""
    await Script(server, admin, clock).run()
    return recorder.events


@pytest.mark.parametrize("seed", range(2))
async def test_what_comes_lost_doubled_or_late_is_answered_as_by_the_model(
    server, admin, clock, recorder, seed
):
    await Traffic(server, admin, clock, seed).run(ROUNDS)
    replay = Replay(recorder.events)
    assert replay.differences == []
    for number, job in replay.jobs.items():
        assert await shown(admin, number) == summary(job)


async def test_every_answer_there_is_is_the_models(admin, told_everything):
    replay = Replay(told_everything)
    assert replay.differences == []
    assert words_of(told_everything) == EVERY_ANSWER
    for number, job in replay.jobs.items():
        assert await shown(admin, number) == summary(job)


async def test_each_answer_that_is_changed_afterwards_is_noticed(told_everything):
    for place, event in enumerate(told_everything):
        for answer in other_answers(event):
            changed = replace(event, job=event.job or 1, answer=answer)
            trace = [*told_everything[:place], changed, *told_everything[place + 1 :]]
            assert Replay(trace).differences, (event, answer)


async def test_a_grant_that_nobody_recorded_is_missed(told_everything):
    for event in told_everything:
        if event.answer.word == "granted":
            assert Replay([other for other in told_everything if other is not event]).differences


def words_of(trace):
    words = {}
    for event in trace:
        words.setdefault(type(event.asked).__name__, set()).add(event.answer.word)
    return words


def other_answers(event):
    words = EVERY_ANSWER[type(event.asked).__name__] - {event.answer.word}
    if type(event.asked) is not Claim:
        return [Answer(word) for word in sorted(words)]
    given = [Answer(word, event.answer.attempt or 1, event.asked.key) for word in sorted(words)]
    if event.answer.attempt:
        given.append(event.answer._replace(attempt=event.answer.attempt + 1))
        given.append(event.answer._replace(key="another"))
    return given


async def shown(admin, number):
    """What people are shown of a job, and of each attempt."""
    job = await admin.get(f"/api/jobs/{number}")
    attempts = await admin.get(f"/api/jobs/{number}/attempts")
    return (
        *(job["status"], job["attempt"], job["result"]),
        [(a["attempt"], a["robot_id"], a["status"], late_report(a)) for a in attempts],
    )


def late_report(attempt):
    late = attempt["late_report"]
    return late and said_by(msgspec.convert(late, JobReport))


def summary(job: Job):
    said = job.result.content if job.result else ""
    return (
        *(job.status, job.attempt, msgspec.json.decode(said)[0] if said else None),
        [(a.number, a.robot, a.status, a.late) for a in job.attempts],
    )
