"""Every answer becomes a message or an error that says what to do about it."""

import asyncio
import hashlib
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from sdk import errors
from sdk.client import Client
from sdk.contract.server import Alive
from sdk.robot_client import RobotClient
from sdk.transport import Transport, _retry_after


@asynccontextmanager
async def answering(handler):
    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handler)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0)
    async with aiohttp.ClientSession() as session:
        yield Transport(session, str(server.make_url("/")), {"X-Robot-Token": "secret"})
    await server.close()


def always(**answer):
    async def handler(_):
        return web.Response(**answer)

    return handler


async def ask(transport, **options):
    return await transport.send("GET", "/api/health/live", Alive, **options)


async def test_an_answer_is_a_message():
    async with answering(
        always(text='{"status": "ok", "new": 1}', content_type="application/json")
    ) as t:
        assert await ask(t) == Alive(status="ok")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.Refused), (401, errors.Unauthenticated), (403, errors.Forbidden),
        (404, errors.NotFound), (408, errors.Unavailable), (409, errors.Conflict),
        (413, errors.TooLarge), (422, errors.Invalid), (425, errors.Unavailable),
        (429, errors.Unavailable), (500, errors.Unavailable), (503, errors.Unavailable),
    ],
)  # fmt: skip
async def test_a_problem_is_an_error_of_its_kind(status, kind):
    body = '{"title": "No", "status": 299, "detail": "Because.", "type": "/problems/robot-in-use"}'
    answer = always(status=status, text=body, content_type="application/problem+json")
    async with answering(answer) as transport:
        with pytest.raises(errors.Refused) as caught:
            await ask(transport)
    assert type(caught.value) is kind and str(caught.value) == "Because."
    assert caught.value.status == status and caught.value.is_about("robot-in-use")


async def test_retry_after_comes_with_the_error():
    answer = always(
        status=503,
        text='{"title": "Busy", "status": 503}',
        content_type="application/problem+json",
        headers={"Retry-After": "7"},
    )
    async with answering(answer) as transport:
        with pytest.raises(errors.Unavailable) as caught:
            await ask(transport)
    assert caught.value.retry_after_seconds == 7


@pytest.mark.parametrize("value", ["soon", "", "nan", "inf"])
def test_a_retry_after_that_makes_no_sense_is_none(value):
    assert _retry_after(value) is None


def test_a_retry_after_may_be_a_date():
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert _retry_after("Fri, 01 Jan 2100 00:00:00 GMT") > 1e6


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<h1>Log in</h1>", "content_type": "text/html"},
        {"text": "<h1>Bad gateway</h1>", "content_type": "text/html", "status": 502},
        {"text": '{"status": ', "content_type": "application/json"},
        {"body": b'{"status": "\xff"}', "content_type": "application/json"},
        {"text": '{"status": 1}', "content_type": "application/json"},
        {"text": '["no problem"]', "content_type": "application/json", "status": 400},
        {"status": 302, "headers": {"Location": "https://elsewhere.example/"}},
        {"status": 204},
    ],
    ids=["page", "proxy", "half", "not utf-8", "other shape", "no problem", "redirect", "nothing"],
)
async def test_what_no_orchestrator_says_is_told_apart(answer):
    async with answering(always(**answer)) as transport:
        with pytest.raises(errors.NotAnOrchestrator):
            await ask(transport)


async def test_a_proxys_limit_for_bodies_is_a_refusal_and_is_not_asked_again():
    page = always(text="<h1>413</h1>", content_type="text/html", status=413)
    async with answering(page) as t:
        with pytest.raises(errors.TooLarge, match="A proxy in front of"):
            await ask(t)


async def cut(request):
    response = web.StreamResponse(headers={"Content-Length": "100"})
    response.content_type = "application/json"
    await response.prepare(request)
    await response.write(b'{"status": "ok"}')
    request.transport.close()
    return response


async def test_a_cut_body_is_not_an_answer(tmp_path):
    async with answering(cut) as transport:
        with pytest.raises(errors.NotAnOrchestrator):
            await ask(transport)
        with pytest.raises(errors.NotAnOrchestrator):
            await transport.download("/package", tmp_path / "file")


async def test_nobody_there_and_nobody_answering_are_unreachable():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(errors.Unreachable):
            await ask(Transport(session, f"http://127.0.0.1:{unused_port()}"))

    never = asyncio.Event()

    async def silent(_):
        await never.wait()

    async with answering(silent) as transport:
        with pytest.raises(errors.Unreachable):
            await ask(transport, timeout_seconds=0.1)
        never.set()


async def test_a_download_is_hashed_on_its_way(tmp_path):
    content = bytes(range(256)) * 5000
    async with answering(always(body=content)) as transport:
        sha256 = await transport.download("/package", tmp_path / "file")
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "file").read_bytes() == content


async def test_a_gap_in_a_log_says_where_to_go_on():
    answer = always(status=416, content_type="application/problem+json",
                    text='{"title": "Gap", "status": 416, "next_offset": 12}')  # fmt: skip
    async with answering(answer) as transport:
        with pytest.raises(errors.LogGap) as caught:
            await RobotClient(transport, "t").append_log(1, 1, 99, b"x", secrets_known=0)
    assert caught.value.next_offset == 12


async def test_a_token_goes_in_its_header_and_is_not_shown():
    seen = []

    async def note(request):
        seen.append((request.headers.get("Authorization"), str(request.url)))
        return web.Response(body=b"log", content_type="application/octet-stream")

    async with answering(note) as transport:
        client = Client(transport, "hidden")
        assert await client.read_log(4, 7) == b"log"
    assert seen[0][0] == "Bearer hidden" and seen[0][1].endswith("/api/jobs/4/logs?offset=7")
    assert "hidden" not in repr(client) and "secret" not in repr(client)
