"""The client against a real server: lists whole, repeats where that is safe, logs followed."""

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sdk.client import Client
from sdk.client.blocking import connect
from sdk.contract.base import ListQuery
from sdk.contract.jobs import JobCreate, JobQuery
from sdk.contract.queues import ItemCreate, QueueCreate, QueueUpdate
from sdk.errors import NotFound, Unavailable, Unreachable
from sdk.transport import Transport
from tests.support.world import ADMIN_PASSWORD


@pytest.fixture
async def client(server):
    async with aiohttp.ClientSession() as session:
        client = Client(Transport(session, server["url"]))
        await client.login("admin", ADMIN_PASSWORD)
        yield client


async def test_awaited_a_list_is_a_page_and_iterated_it_is_whole(client, admin):
    process = await admin.make_process()
    for _ in range(7):
        await client.create_job(JobCreate(process_id=process["id"]))
    query = JobQuery(limit=3)
    assert [job.id for job in await client.list_jobs(query)] == [7, 6, 5]
    assert [job.id async for job in client.list_jobs(query)] == [7, 6, 5, 4, 3, 2, 1]
    assert [token async for token in client.list_tokens(ListQuery(limit=1))] == []


async def test_what_gives_nothing_gives_none_and_an_error_keeps_the_servers_words(client):
    queue = await client.create_queue(QueueCreate(name="invoices"))
    await client.update_queue(queue.id, QueueUpdate(description="to be paid"))
    assert (await client.get_queue(queue.id)).description == "to be paid"
    assert await client.delete_queue(queue.id) is None
    with pytest.raises(NotFound, match="There is no queue 1"):
        await client.get_queue(queue.id)


async def test_a_log_is_followed_through_attempts_to_its_end(client, admin):
    process = await admin.make_process()
    job = await client.create_job(JobCreate(process_id=process["id"]))
    robot = await admin.make_robot()
    read = []

    async def follow():
        async for piece in client.follow_log(job.id, pause_seconds=0.01):
            read.append(piece)

    following = asyncio.create_task(follow())
    await robot.post("/api/runner/next-job", 200)
    await robot.post(f"/api/runner/jobs/{job.id}/update", 200, status="completed", attempt=1,
                     logs="one\ntwo\n")  # fmt: skip
    async with asyncio.timeout(10):
        await following
    assert b"".join(read) == b"one\ntwo\n"


class Flaky:
    """A server that breaks the line so many times before it answers; counts what came."""

    def __init__(self, failures, status=503):
        self.failures, self.status, self.seen = failures, status, []

    async def answer(self, request):
        self.seen.append(request.headers.get("Idempotency-Key"))
        await request.read()
        if len(self.seen) <= self.failures:
            if self.status is None:
                request.transport.close()
                await asyncio.sleep(1)
            problem = {"title": "Not now", "status": self.status, "type": "/problems/unavailable"}
            return web.json_response(
                problem, status=self.status, content_type="application/problem+json"
            )
        return web.json_response([])


async def ask(flaky, call):
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", flaky.answer)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0)
    try:
        async with aiohttp.ClientSession() as session:
            return await call(Client(Transport(session, str(server.make_url("/")))))
    finally:
        await server.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("sdk.client.requests.FIRST_PAUSE_SECONDS", 0.01)


@pytest.mark.parametrize("status", [503, 429, None])
async def test_what_only_reads_is_asked_again(status):
    flaky = Flaky(2, status)
    assert await ask(flaky, lambda client: client.list_attempts(1)) == []
    assert len(flaky.seen) == 3


async def test_a_change_is_sent_again_only_under_its_key():
    flaky = Flaky(9)
    with pytest.raises(Unavailable):
        await ask(flaky, lambda c: c.create_item(ItemCreate(queue_id=1, payload={})))
    assert len(flaky.seen) == 4
    assert len(set(flaky.seen)) == 1
    assert flaky.seen[0]
    flaky = Flaky(9)
    with pytest.raises(Unavailable):
        await ask(flaky, lambda c: c.create_queue(QueueCreate(name="q")))
    assert flaky.seen == [None]


async def test_the_same_methods_wait_for_who_is_not_asynchronous(server, admin):
    await admin.make_process()

    def program():
        with connect(server["url"]) as client:
            client.login("admin", ADMIN_PASSWORD)
            for _ in range(3):
                client.create_job(JobCreate(process="hello"))
            with pytest.raises(NotFound, match="There is no job 99"):
                client.get_job(99)
            with pytest.raises(AttributeError):
                _ = client.nothing
            return [job.id for job in client.list_jobs(JobQuery(limit=2))]

    assert await asyncio.to_thread(program) == [3, 2, 1]


JOB = {
    "id": 1, "process_id": 1, "process_name": "p", "process_version": 1, "package_id": 1,
    "package_name": "p", "package_version": "1.0.0", "robot_id": 1, "robot_name": "r",
    "status": "running", "parameters": {}, "source": "sdk", "priority": 0, "attempt": 1,
    "max_attempts": 1, "labels": [], "created_at": "2030-01-01T00:00:00Z",
    "logs_path": "/api/jobs/1/logs",
}  # fmt: skip


async def test_a_server_that_goes_away_is_waited_for_while_a_log_is_followed():
    log, asked, told = b"one\ntwo\n", [], []

    async def answer(request):
        asked.append(request.path)
        if 4 <= len(asked) <= 21:  # more than one request is tried, by aiohttp and by us
            request.transport.close()
            return web.Response()
        if request.path.endswith("/logs"):
            offset = int(request.query["offset"])
            return web.Response(body=log[offset : offset + 4], content_type="text/plain")
        is_over = len(asked) > 21
        return web.json_response({**JOB, "status": "completed" if is_over else "running"})

    async def follow(client):
        pieces = client.follow_log(1, pause_seconds=0.01, told_outage=told.append)
        return [piece async for piece in pieces]

    assert b"".join(await ask(SimpleNamespace(answer=answer), follow)) == log
    assert len(told) == 1, told  # one outage, however often it was asked meanwhile


@pytest.mark.parametrize("failures", [2, 99])
async def test_an_upload_that_is_cut_is_sent_again_whole_and_under_its_key(tmp_path, failures):
    archive, seen = tmp_path / "p_1.0.0.zip", []
    archive.write_bytes(b"x" * 300_000)

    async def answer(request):
        if len(seen) < failures:
            await request.content.readexactly(100_000)
            seen.append(request.headers["Idempotency-Key"])
            request.transport.close()
            return web.Response()
        seen.append(request.headers["Idempotency-Key"])
        form = await request.post()
        return web.json_response(
            {**PACKAGE, "size_bytes": len(form["file"].file.read())}, status=201
        )

    told = []
    flaky = SimpleNamespace(answer=answer)
    if failures == 99:
        with pytest.raises(Unreachable):
            await ask(flaky, lambda c: c.upload_package(archive))
        return
    package = await ask(flaky, lambda c: c.upload_package(archive, told=told.append))
    assert (package.size_bytes, told[-1]) == (300_000, 300_000)
    assert len(set(seen)) == 1


PACKAGE = {
    "id": 1, "name": "p", "version": "1.0.0", "scripts_manifest": [], "sha256": "0" * 64,
    "is_active": True, "created_at": "2030-01-01T00:00:00Z", "updated_at": "2030-01-01T00:00:00Z",
}  # fmt: skip
