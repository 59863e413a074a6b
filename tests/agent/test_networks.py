"""Networks as they are: proxies, a CA of one's own, pages to sign in on."""

import asyncio
import ssl
import sys

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from robot_agent import tls
from robot_agent.exits import AgentExit
from robot_agent.session import session
from sdk import errors
from sdk.cli.connection import client_at
from sdk.client.blocking import connect
from sdk.contract.server import Alive
from sdk.proxies import proxy_for
from sdk.transport import Transport
from tests.agent.certificates import PrivateCA
from tests.agent.fake_server import serving
from tests.agent.proxies import proxying
from tests.agent.running_agent import the_program
from tests.agent.test_agent import ended

posix = pytest.mark.skipif(sys.platform == "win32", reason="starts the program with POSIX paths")


@pytest.fixture
def ca(tmp_path):
    return PrivateCA(tmp_path)


async def ask(url, ca_file=None):
    async with session(url, ca_file) as opened:
        return await Transport(opened, url).send("GET", "/api/health/live", Alive)


async def said_by(url, ca_file=None):
    with pytest.raises((errors.Unreachable, errors.NotAnOrchestrator)) as caught:
        await ask(url, ca_file)
    return str(caught.value)


async def test_a_server_of_the_private_ca_is_trusted_with_its_file_and_only_then(ca):
    async with serving(ca.server()) as server:
        assert await ask(server.url, ca.file) == Alive()
        said = await said_by(server.url)
    assert "signed by nobody whom this machine trusts" in said and "--ca-file" in said


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        ({"days": 1, "since": -10}, "its certificate has expired"),
        ({"since": 10}, "its certificate is not valid yet; is this machine's clock right"),
        ({"address": "127.9.9.9"}, "its certificate is for another name"),
    ],
)
async def test_each_trouble_with_a_certificate_has_its_sentence(ca, certificate, sentence):
    async with serving(ca.server(**certificate)) as server:
        assert sentence in await said_by(server.url, ca.file)


async def test_https_to_a_server_without_tls_is_told():
    async with serving() as server:
        said = await said_by(server.url.replace("http://", "https://"))
    assert "does not speak TLS" in said and "http://" in said


def test_a_ca_file_that_is_none_is_told(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(AgentExit, match=r"ca\.pem holds no certificate"):
        tls.context(tmp_path / "ca.pem")
    with pytest.raises(AgentExit, match=r"none\.pem cannot be read"):
        tls.context(tmp_path / "none.pem")


def test_scripts_trust_the_private_ca_besides_what_the_system_trusts(ca, tmp_path, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    system = len(tls.context(None).get_ca_certs())
    monkeypatch.setenv("SSL_CERT_FILE", "")  # so that it is put back
    tls.hand_on(ca.file, tmp_path)
    theirs = ssl.create_default_context().get_ca_certs()
    assert len(theirs) == system + 1
    assert any("Test CA of our own" in str(one["issuer"]) for one in theirs)


USES_IT = """if 1:
    import os, urllib.request
    print(os.environ['SSL_CERT_FILE'])
    print(urllib.request.urlopen(os.environ['RUNWRIGHT_URL'] + '/api/health/live').status)
"""


@posix
async def test_the_program_and_its_scripts_work_over_tls_with_a_private_ca(ca, tmp_path):
    data = tmp_path / "data"
    async with serving(ca.server()) as server:
        server.give(USES_IT)
        variables = {"RUNWRIGHT_CA_FILE": str(ca.file), "SSL_CERT_FILE": ""}
        async with the_program(server, data, **variables):
            await server.until(lambda: server.reports)
    assert server.reports[0]["status"] == "completed", server.reports
    assert server.log.decode().split() == [str(data / "ca-bundle.pem"), "200"]


@posix
@pytest.mark.parametrize("secure", [True, False])
async def test_the_program_goes_through_a_proxy_with_a_password(ca, tmp_path, secure):
    async with serving(ca.server() if secure else None) as server, proxying("ada:se-cret") as proxy:
        server.give("print('through')")
        variables = {"HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url, "NO_PROXY": "none",
                     "RUNWRIGHT_CA_FILE": str(ca.file)}  # fmt: skip
        async with the_program(server, tmp_path / "data", **variables) as program:
            await server.until(lambda: server.reports)
            program.terminate()
            _, errors_ = await ended(program)
    assert server.reports[0]["status"] == "completed" and b"through" in server.log
    assert all(("CONNECT" in asked) is secure for asked in proxy.asked) and proxy.asked
    assert "se-cret" not in errors_


@pytest.mark.parametrize("secure", [True, False])
async def test_a_proxy_that_asks_who_we_are_is_told(ca, monkeypatch, secure):
    async with serving(ca.server() if secure else None) as server, proxying("ada:x") as proxy:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url.replace("ada:x@", ""))
        said = await said_by(server.url, ca.file)
    assert "The proxy asks who we are" in said


async def test_a_proxy_that_is_not_there_is_told_by_its_name(ca, monkeypatch, unused_tcp_port):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{unused_tcp_port}")
    async with serving(ca.server()) as server:
        said = await said_by(server.url, ca.file)
    assert f"the proxy 127.0.0.1:{unused_tcp_port} does not answer" in said


async def answers_of(**answer):
    async def handler(_):
        return web.Response(**answer)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", handler)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0)
    try:
        return await said_by(str(server.make_url("")).rstrip("/"))
    finally:
        await server.close()


async def test_a_page_to_sign_in_on_is_told_by_its_title():
    page = "<html><head><title>Hotel\n  Wi-Fi: sign in</title></head></html>"
    said = await answers_of(text=page, content_type="text/html")
    assert "a web page, 'Hotel Wi-Fi: sign in'" in said and "somebody to sign in" in said
    assert said.startswith("127.0.0.1 answers")


async def test_a_redirect_to_a_page_to_sign_in_on_is_told_without_what_follows_the_question_mark():
    headers = {"Location": "https://login.example/sso?state=secret"}
    said = await answers_of(status=302, headers=headers)
    assert "https://login.example/sso (302)" in said and "secret" not in said


@posix
async def test_the_program_waits_behind_a_page_to_sign_in_on_and_says_so(tmp_path):
    async with serving() as server:
        server.pages["/register-robot"] = ["<title>Guest</title>"]
        async with the_program(server, tmp_path / "data") as program:
            line = b""
            async with asyncio.timeout(20):
                while b"web page, 'Guest'" not in line:
                    line = await program.stderr.readline()
            await server.until(lambda: server.registered)


def lives(url):
    with connect(url) as client:
        return client.live()


async def test_the_tools_of_a_developer_go_through_it_too(monkeypatch):
    async with serving() as server, proxying("ada:se-cret") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "none")
        async with client_at(server.url) as client:
            assert await client.live() == Alive()
        assert await asyncio.to_thread(lives, server.url) == Alive()
    assert len(proxy.asked) == 2


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("http://robots.example:8000", "http://proxy:3128"),
        ("http://ada@here.example:8000", None),
        ("http://[::1]:8000", None),
        ("https://robots.example", None),  # there is none for it
    ],
)
def test_addresses_that_need_no_proxy_are_asked_directly(monkeypatch, url, through):
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "here.example,::1")
    assert proxy_for(url) == through


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_what_is_broken_off_is_asked_once(method):
    """Whether and when to ask again is decided where outages are known of."""
    asked = []

    async def break_off(request):
        asked.append(request.path)
        request.transport.abort()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", break_off)
    async with TestServer(app) as server, session(str(server.make_url("")), None) as opened:
        transport = Transport(opened, str(server.make_url("")))
        with pytest.raises(errors.Unreachable, match="Server disconnected"):
            await transport.send(method, "/api/x", Alive)
    assert asked == ["/api/x"]
