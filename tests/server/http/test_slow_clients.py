"""Clients that are slow, or go away: what they get, and what the log says."""

import asyncio
import io
import logging
from types import SimpleNamespace

import aiohttp
import pytest
import structlog
import yarl

from orchestrator_server.http import bodies, middleware
from tests.support.world import archive

JSON = "application/json"
BINARY = "application/octet-stream"


class Raw:
    """A request that is sent by hand; entered once the server has its head."""

    def __init__(self, api, method, path, length, media_type=BINARY):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}"]
        lines += [
            "Expect: 100-continue",
            f"Content-Type: {media_type}",
            *(f"{k}: {v}" for k, v in api.headers.items()),
        ]
        self._head = "\r\n".join([*lines, "", ""]).encode()
        self._port = yarl.URL(api.url).port

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.writer.write(self._head)
        async with asyncio.timeout(10):
            assert await self.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        return self

    async def __aexit__(self, *_):
        self.writer.transport.abort()

    async def status(self):
        async with asyncio.timeout(10):
            return int((await self.reader.readline()).split()[1])


@pytest.fixture
def requests(server, monkeypatch):
    """The lines about requests at debug; in the end, that nothing else was logged."""
    found, others = [], []
    logger = SimpleNamespace(debug=lambda event, **fields: found.append(fields))
    monkeypatch.setattr(middleware, "_level", SimpleNamespace(isEnabledFor=lambda level: True))
    monkeypatch.setattr(middleware, "log", logger)
    handler = logging.Handler(logging.WARNING)
    monkeypatch.setattr(handler, "emit", others.append)
    libraries = [logging.getLogger(name) for name in ("aiohttp", "asyncio")]
    for library in libraries:
        library.addHandler(handler)
    with structlog.testing.capture_logs() as ours:
        yield found
    for library in libraries:
        library.removeHandler(handler)
    assert (ours, others) == ([], [])


async def until(true):
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
async def job(admin, claimed):
    """A running job: its robot, its own view of the server, and its number."""
    robot, given = await claimed()
    return robot, admin.as_(Authorization=f"Bearer {given['job_token']}"), given["id"]


@pytest.fixture(params=["sign-in", "json", "package", "artifact", "robot's artifact", "log"])
async def upload(request, api, admin, job):
    robot, script, number = job
    form = "multipart/form-data; boundary=x"
    return {
        "sign-in": lambda size: Raw(api, "POST", "/api/auth/login", size, JSON),
        "json": lambda size: Raw(admin, "POST", "/api/jobs", size, JSON),
        "package": lambda size: Raw(admin, "POST", "/api/packages/upload", size, form),
        "artifact": lambda size: Raw(script, "PUT", "/api/runtime/artifacts/x", size),
        "robot's artifact": lambda size: Raw(
            robot, "PUT", f"/api/runner/jobs/{number}/artifacts/x?attempt=1", size
        ),
        "log": lambda size: Raw(
            robot, "POST", f"/api/runner/jobs/{number}/logs?attempt=1&offset=0", size
        ),
    }[request.param]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_body_that_comes_by_the_byte_is_given_up(upload, monkeypatch, requests):
    monkeypatch.setattr(bodies, "WINDOW_SECONDS", 0.5)
    async with upload(100_000) as sending:
        began = asyncio.get_running_loop().time()
        status = asyncio.create_task(sending.status())
        while not status.done():
            sending.writer.write(b"-")
            await asyncio.sleep(0.05)
        assert await status == 408
        assert asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_client_that_goes_away_while_it_sends_is_a_line_at_debug(
    upload, requests, monkeypatch
):
    async with upload(100_000) as sending:
        sending.writer.write(b"-" * 1000)
    await until(lambda: requests)
    assert [fields["status"] for fields in requests] == [499]


async def test_a_steady_upload_may_take_many_windows(job, monkeypatch):
    monkeypatch.setattr(bodies, "WINDOW_SECONDS", 0.3)
    monkeypatch.setattr(bodies, "WINDOW_BYTES", 10_000)
    _, script, _ = job
    piece, count = b"x" * 5_000, 40
    async with Raw(script, "PUT", "/api/runtime/artifacts/x", count * len(piece)) as sending:
        for _ in range(count):
            sending.writer.write(piece)
            await asyncio.sleep(0.05)  # six times as fast as it must be, and for seven windows
        assert await sending.status() == 200


async def test_time_that_the_server_takes_is_not_the_clients(monkeypatch):
    monkeypatch.setattr(bodies, "WINDOW_SECONDS", 0.2)
    pace = bodies._Pace()

    async def piece():
        return b"x"

    for _ in range(5):
        await pace.next(piece())
        await asyncio.sleep(0.1)  # our disk


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", ["artifact", "followed log"])
async def test_a_client_that_goes_away_while_it_is_sent_something_is_a_line_at_debug(
    admin, job, requests, what
):
    _, script, number = job
    left = await script.ask(
        "PUT",
        "/api/runtime/artifacts/x",
        status=200,
        data=io.BytesIO(b"x" * 32 * 1024 * 1024),
        headers={"Content-Type": BINARY},
    )
    path = {
        "artifact": f"/api/jobs/{number}/artifacts/{left['id']}",
        "followed log": f"/api/jobs/{number}/logs/stream",
    }[what]
    requests.clear()
    async with aiohttp.ClientSession() as session:
        answer = await session.get(admin.url + path, headers=admin.headers)
        assert answer.status == 200
        await answer.content.readany()
        answer.close()
    await until(lambda: requests)
    assert [fields["status"] for fields in requests] == [499]


async def test_a_large_body_of_a_known_caller_is_taken_among_slow_strangers(api, admin, server):
    """A robot's upload is not pushed out by those who send nothing."""
    async with Raw(admin, "POST", "/api/packages/upload", 100, "multipart/form-data; boundary=x"):
        strangers = [Raw(api, "POST", "/api/auth/login", 100, JSON) for _ in range(110)]
        for stranger in strangers:
            await stranger.__aenter__()
            stranger.writer.write(b"{")
        statuses = await asyncio.gather(*[stranger.status() for stranger in strangers[:5]])
        assert statuses == [503] * 5
        await admin.upload(content=archive(), status=201)
        for stranger in strangers:
            await stranger.__aexit__()
