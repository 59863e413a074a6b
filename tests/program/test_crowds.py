"""More connections than the server has descriptors: the crowd is refused, the others are served."""

import asyncio
import resource
from contextlib import asynccontextmanager

import aiohttp
import psutil
import pytest

from orchestrator_server.http.connections import raise_file_limit
from tests.support.processes import a_server
from tests.support.world import Api, api_at

CROWD = 1100
HEAD = (
    "POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Content-Length: 200\r\n"
)
UNFINISHED = {"head": HEAD, "body": HEAD + "\r\n{"}


@pytest.fixture(autouse=True)
def enough_files_for_both_ends():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_file_limit()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def one(_):
    return "127.0.0.66"


def many(number):
    return f"127.0.{1 + number // 200}.{1 + number % 200}"


@asynccontextmanager
async def a_crowd(port, address_of, content):
    """Connections that have begun a request; each as a reader and a writer."""
    crowd = []
    try:
        for number in range(CROWD):
            crowd.append(
                await asyncio.open_connection("127.0.0.1", port, local_addr=(address_of(number), 0))
            )
            crowd[-1][1].write(content.encode())
        yield crowd
    finally:
        for _, writer in crowd:
            writer.transport.abort()


async def refused_of(crowd):
    """How many were answered 503; none was ended otherwise."""
    answers = [reader._buffer for reader, _ in crowd if reader.at_eof() or reader._buffer]
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 2\r\n" in answer
        assert b"/problems/unavailable" in answer
    return len(answers)


async def is_served(url, local="127.0.0.1"):
    """Whether somebody else signs in and works, over new connections."""
    for _ in range(3):
        connector = aiohttp.TCPConnector(local_addr=(local, 0), force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(10):
            admin = await Api(session, url).sign_in()
            await admin.get("/api/jobs")
            await admin.upload("crowded", status=None)


async def until(true):
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("begun", ["head", "body"])
@pytest.mark.parametrize(
    ("address_of", "files", "refused"),
    [
        (one, (1024, 4096), CROWD - 100),
        (many, (1024, 4096), 0),  # the soft limit is raised
        (many, (1024, 1024), CROWD - 768),
    ],
)
async def test_a_crowd_is_refused_and_the_others_are_served(
    tmp_path, begun, address_of, files, refused
):
    log = tmp_path / "log"
    async with a_server(tmp_path / "data", files=files, log=log) as server:
        process = psutil.Process(server.process.pid)
        assert process.rlimit(psutil.RLIMIT_NOFILE) == (files[1], files[1])
        async with a_crowd(server.port, address_of, UNFINISHED[begun]) as crowd:
            await is_served(server.url)
            assert refused <= await refused_of(crowd) <= refused + 20
            assert files[1] - process.num_fds() >= 200  # the reserve
            await is_served(server.url)
        await until(lambda: process.num_fds() < 100)  # the server has seen them go
        async with api_at(server.url) as api:
            await api.sign_in()
    assert "Traceback" not in log.read_text()
    assert len(log.read_text().splitlines()) < 10


async def test_the_client_of_a_trusted_proxy_is_counted_by_its_own_address(tmp_path):
    """The crowd's requests come from the proxy's address, as those of the others do."""

    def head(client):
        return f"{HEAD}X-Forwarded-For: {client}\r\n\r\n{{"

    arguments = ("--trusted-proxy", "127.0.0.66")
    async with (
        a_server(tmp_path / "data", arguments=arguments) as server,
        a_crowd(server.port, one, head("203.0.113.7")) as crowd,
        a_crowd(server.port, one, head("203.0.113.8")) as another,
    ):
        await is_served(server.url, local="127.0.0.66")
        assert [await refused_of(found) for found in (crowd, another)] == [CROWD - 100] * 2
