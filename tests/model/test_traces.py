"""What the real server does is what the model does: recorded runs, replayed step by step."""

import pytest

from orchestrator_server.http.keys import DATABASE
from tests.model.recorder import Recorder
from tests.model.replay import Replay
from tests.model.traffic import Traffic

ROUNDS = 100


@pytest.fixture
def recorder(monkeypatch, server):
    return Recorder(monkeypatch, server[DATABASE])


@pytest.mark.parametrize("seed", range(8))
async def test_the_server_answers_as_the_model_whatever_comes_lost_doubled_or_late(
    server, admin, clock, recorder, seed
):
    await Traffic(server, admin, clock, seed).run(ROUNDS)
    replay = Replay(recorder.events)
    from collections import Counter

    print(
        len(recorder.events),
        Counter((type(e.asked).__name__, e.answer.word) for e in recorder.events),
    )
    print(
        "overlapping",
        sum(e.sees_from < n for n, e in enumerate(recorder.events)),
        sum(e.is_void for e in recorder.events),
    )
    assert replay.differences == []
    for number, job in replay.jobs.items():
        print(number, job.status, job.attempt)
