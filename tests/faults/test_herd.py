"""C-64: five hundred robots, all without a server, which comes back."""

import asyncio
import statistics
import time

import aiohttp
import pytest

from sdk.contract.runner import Heartbeat
from sdk.errors import Refused
from sdk.retry import until_answered
from sdk.robot_client import TOKEN_HEADER, RobotClient
from sdk.transport import Transport
from tests.support.processes import a_server
from tests.support.world import api_at

ROBOTS = 500
AWAY_SECONDS = 5
LATE_SECONDS = 5  # for 99 of 100


async def heard(client, refusals):
    """How long the question took that was answered, of a robot that asks as agents do."""

    async def ask():
        began = time.perf_counter()
        try:
            await client.beat(Heartbeat(jobs=[]))
        except Refused as refusal:
            refusals.append(refusal.status)
            raise
        return time.perf_counter() - began

    return await until_answered(ask, most_seconds=10)  # as beats


@pytest.mark.slow
async def test_five_hundred_robots_that_come_back_at_once_are_all_heard_soon(tmp_path, caplog):
    caplog.set_level("ERROR")  # each of them says that nobody answers
    async with a_server(tmp_path) as server:
        async with api_at(server.url) as api:
            admin = await api.sign_in()
            robots = [await admin.make_robot(f"r{n}") for n in range(ROBOTS)]
        await server.kill()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            transport, refusals = Transport(session, server.url), []
            clients = [RobotClient(transport, robot.headers[TOKEN_HEADER]) for robot in robots]
            asking = [asyncio.create_task(heard(client, refusals)) for client in clients]
            await asyncio.sleep(AWAY_SECONDS)
            assert not any(task.done() for task in asking)
            await server.start()
            async with asyncio.timeout(60):
                seconds = await asyncio.gather(*asking)
    assert refusals == []
    assert statistics.quantiles(seconds, n=100)[-1] < LATE_SECONDS, sorted(seconds)[-10:]
