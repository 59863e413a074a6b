"""The server is asked to stop while it is busy, and has no descriptor left."""

import asyncio
import resource
from contextlib import asynccontextmanager

import aiohttp
import psutil
import pytest

from tests.faults.doctor import broken_promises
from tests.support.processes import a_server
from tests.support.world import api_at

AT_ONCE, KNOCKING = 200, 50
DESCRIPTORS = 64
LOOKED_AT_SECONDS = 2


async def nobody_is_let_in(port):
    """Return once connections are refused."""
    async with asyncio.timeout(15):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it was in the line when the line was closed
                continue
            writer.close()


@pytest.mark.slow
async def test_two_hundred_requests_under_way_are_finished_when_it_is_asked_to_stop(
    tmp_path, database_url
):
    """C-6: each has been let in (100 Continue) and its body is half sent when SIGTERM comes."""
    let_in, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def body(number):
        let_in.release()
        yield b'{"name": '
        await go_on.wait()
        yield b'"machine %d"}' % number

    async def create(session, admin, number):
        headers = {**admin.headers, "Content-Type": "application/json"}
        url = f"{admin.url}/api/machines"
        async with session.post(url, data=body(number), headers=headers, expect100=True) as answer:
            return answer.status

    data = tmp_path / "data"
    async with a_server(data, database_url) as server, api_at(server.url) as api:
        admin = await api.sign_in()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            asked = []
            while len(asked) < AT_ONCE:  # the server lets only so many of one address wait
                numbers = range(len(asked), len(asked) + KNOCKING)
                asked += [asyncio.create_task(create(session, admin, n)) for n in numbers]
                async with asyncio.timeout(60):
                    for _ in numbers:
                        await let_in.acquire()
            server.process.terminate()
            await nobody_is_let_in(server.port)
            go_on.set()
            assert set(await asyncio.gather(*asked)) == {201}
        async with asyncio.timeout(15):
            assert await server.process.wait() == 0
        await server.start()
        assert len(await admin.get("/api/machines?limit=500")) == AT_ONCE
        assert await broken_promises(data, database_url) == {}


@asynccontextmanager
async def no_descriptor_left(server):
    """More connections than it may have files open, until the block ends."""
    process = psutil.Process(server.process.pid)
    _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, most))
    connections = []
    try:
        for _ in range(2 * DESCRIPTORS):
            connections.append(await asyncio.open_connection("127.0.0.1", server.port))
        await until(lambda: process.num_fds() == DESCRIPTORS)
        yield process
    finally:
        for _, writer in connections:
            writer.close()


async def until(true):
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def cpu_seconds(process):
    spent = process.cpu_times()
    return spent.user + spent.system


@pytest.mark.slow
async def test_without_a_descriptor_it_refuses_and_does_not_spin_and_then_goes_on(tmp_path):
    """C-71"""
    data = tmp_path / "data"
    async with a_server(data) as server, api_at(server.url) as api:
        admin = await api.sign_in()  # its connection stays open
        async with no_descriptor_left(server) as process:
            before = cpu_seconds(process)
            await asyncio.sleep(LOOKED_AT_SECONDS)  # what is measured: a loop that spins takes all
            assert cpu_seconds(process) - before < LOOKED_AT_SECONDS / 2
            refused = await admin.upload(status=503)
            assert refused["type"] == "/problems/unavailable"
            assert "too many files open" in refused["detail"]
        await until(lambda: process.num_fds() < DESCRIPTORS // 2)  # it has seen them go
        async with api_at(server.url) as other:
            again = await other.sign_in()  # a new connection
            await again.upload(status=201)
        assert await broken_promises(data) == {}
