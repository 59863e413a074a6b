"""Claims of eight robots through a network that loses, doubles, delays and cuts."""

import asyncio

import aiohttp
import pytest

from orchestrator_server.chaos.proxy import FaultProxy
from sdk.robot_client import RobotClient
from sdk.transport import Transport
from tests.linearizability.checker import Operation, Stray, explanation
from tests.linearizability.clients import Floor, faults
from tests.linearizability.specification import Claim, Create, Report

ROBOTS = 8
JOBS = 120


@pytest.mark.parametrize("seed", [1, 2])
async def test_claims_look_as_if_one_came_after_another(server, admin, seed):
    process = await admin.make_process()
    floor = Floor(seed)
    floor.left = JOBS
    proxy = FaultProxy(server["url"], choose=faults(seed))
    async with proxy.serving(), aiohttp.ClientSession() as session, asyncio.TaskGroup() as at_once:
        at_once.create_task(floor.produce(admin, process, JOBS))
        for number in range(ROBOTS):
            robot = await admin.post("/api/robots", 201, name=f"robot {number}")
            client = RobotClient(Transport(session, proxy.url), robot["api_token"])
            at_once.create_task(floor.work(client, robot["id"]))
    history = floor.history
    granted = [op.asked.job for op in history.operations if isinstance(op.asked, Report)]
    assert len(granted) == len(set(granted)) == JOBS
    assert len(proxy.happened) > JOBS / 4
    assert explanation(history.operations, history.strays) is not None


def sequence(*asked_and_answered):
    return [Operation(a, answer, n, n + 1) for n, (a, answer) in enumerate(asked_and_answered)]


@pytest.mark.parametrize(
    "impossible",
    [
        [(Create(1, 0), 1), (Claim(1, "a"), 1), (Claim(2, "b"), 1)],  # a job for two robots
        [(Create(1, 0), 1), (Create(2, 0), 2), (Claim(1, "a"), 2)],  # a younger one first
        [(Create(1, 0), 1), (Create(2, 5), 2), (Claim(1, "a"), 1)],  # a less urgent one first
        [(Create(1, 0), 1), (Claim(1, "a"), None)],  # none, though one waits
        [(Create(1, 0), 1), (Create(2, 0), 2), (Claim(1, "a"), 1), (Claim(1, "b"), 2)],  # two jobs
        [(Create(1, 0), 1), (Claim(1, "a"), 1), (Report(1, 1), 1), (Claim(1, "c"), 1)],  # once more
        [(Create(1, 0), 1), (Claim(1, "a"), 1), (Report(2, 1), 1)],  # reported by another
    ],
)
def test_what_cannot_be_is_found(impossible):
    assert explanation(sequence(*impossible), []) is None


def test_a_key_is_granted_one_job_ever():
    seen = [(Create(1, 0), 1), (Claim(1, "a"), 1), (Report(1, 1), 1), (Create(2, 0), 2)]
    assert explanation(sequence(*seen, (Claim(1, "a"), 2)), []) is None
    assert explanation(sequence(*seen, (Claim(1, "a"), None)), []) is not None


def test_what_overlaps_may_have_been_either_way():
    create, claim = Create(1, 0), Claim(1, "a")
    for answer in (1, None):
        assert explanation([Operation(create, 1, 0, 3), Operation(claim, answer, 1, 2)], [])


def test_a_claim_that_arrives_late_may_have_taken_a_job():
    seen = sequence((Claim(1, "a"), None), (Create(1, 0), 1), (Create(2, 0), 2), (Claim(2, "b"), 2))
    assert explanation(seen, []) is None
    assert explanation(seen, [Stray(Claim(1, "a"), 0)])
