"""Below HTTP: what is slow, idle or not HTTP does not get in the way of the others."""

import asyncio
import json

import pytest
from aiohttp import web

from orchestrator_server.http.protocol import Runner

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Site:
    def __init__(self, port, slow):
        self.port, self.slow = port, slow

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def answer_to(self, content):
        reader, writer = await self.connect()
        writer.write(content)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@pytest.fixture
async def site():
    slow = asyncio.Event()

    async def quick(request):
        return web.Response(text="here")

    async def wait(request):
        await slow.wait()
        return web.Response(text="at last")

    app = web.Application()
    app.router.add_get("/", quick)
    app.router.add_get("/wait", wait)
    runner = Runner(app, shutdown_timeout=1, headers_seconds=0.3, waiting_per_client=3)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Site(runner.addresses[0][1], slow)
    slow.set()
    await runner.cleanup()


async def ended(reader):
    async with asyncio.timeout(5):
        return await reader.read() == b""


async def test_headers_that_never_end_end_the_connection_and_nobody_else_notices(site):
    reader, writer = await site.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    assert b"here" in await site.answer_to(
        GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    )
    assert await ended(reader)
    writer.close()


async def test_a_second_request_has_to_hurry_too(site):
    reader, writer = await site.connect()
    writer.write(GET)
    await reader.readuntil(b"here")
    writer.write(b"GET / HT")
    assert await ended(reader)
    writer.close()


async def test_a_connection_that_says_nothing_is_closed(site):
    reader, writer = await site.connect()
    assert await ended(reader)
    writer.close()


async def test_a_request_under_way_may_take_its_time(site):
    reader, writer = await site.connect()
    writer.write(GET.replace(b"/ ", b"/wait ", 1))
    others = [await site.connect() for _ in range(5)]  # more than may idle, and longer than headers
    for other, _ in others:
        assert await ended(other)
    site.slow.set()
    async with asyncio.timeout(5):
        assert await reader.readuntil(b"at last")
    for _, other in [(None, writer), *others]:
        other.close()


async def test_the_longest_idle_of_an_address_makes_room(site):
    connections = []
    for _ in range(4):
        reader, writer = await site.connect()
        writer.write(GET)
        await reader.readuntil(b"here")
        connections.append((reader, writer))
    assert await ended(connections[0][0])
    reader, writer = connections[3]
    writer.write(GET)
    assert await reader.readuntil(b"here")
    for _, writer in connections:
        writer.close()


@pytest.mark.parametrize(
    "content",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
        b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n"
        + b"".join(b"X%d: y\r\n" % n for n in range(500))
        + b"\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_told_so_and_nothing_of_it_comes_back(site, content):
    head, _, body = (await site.answer_to(content)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400") or head.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "/problems/bad-request"
    assert b"yyy" not in body


async def test_a_thousand_requests_in_one_go_are_all_answered(site):
    reader, writer = await site.connect()
    writer.write(GET * 1000)
    async with asyncio.timeout(20):
        for _ in range(1000):
            await reader.readuntil(b"here")
    writer.close()


async def test_over_the_limit_of_all_the_longest_waiting_makes_room(tmp_path):
    async def quick(request):
        return web.Response(text="here")

    app = web.Application()
    app.router.add_get("/", quick)
    runner = Runner(app, shutdown_timeout=1, connections=5, waiting_per_client=10)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site = Site(runner.addresses[0][1], None)
    connections = [await site.connect() for _ in range(5)]
    connections[0][1].write(b"GET / HT")
    await asyncio.sleep(0)
    for reader, writer in connections[1:]:
        writer.write(GET)  # so each has been seen
        await reader.readuntil(b"here")
    connections.append(await site.connect())
    async with asyncio.timeout(5):
        answer = await connections[0][0].read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 503
    connections.append(await site.connect())
    assert await ended(connections[1][0])  # it had not begun a request
    for _, writer in connections:
        writer.close()
    await runner.cleanup()


async def test_if_all_are_busy_a_new_one_is_refused(site):
    slow = asyncio.Event()

    async def wait(request):
        await slow.wait()
        return web.Response(text="at last")

    app = web.Application()
    app.router.add_get("/wait", wait)
    runner = Runner(app, shutdown_timeout=1, connections=2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site = Site(runner.addresses[0][1], slow)
    busy = [await site.connect() for _ in range(2)]
    for _, writer in busy:
        writer.write(GET.replace(b"/ ", b"/wait ", 1))
    for _ in range(3):
        assert (await site.answer_to(b"")).startswith(b"HTTP/1.1 503 ")
    slow.set()
    for reader, writer in busy:
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"at last")
        writer.close()
    await runner.cleanup()
