"""Proxies in front of the server: whom they name counts, if they are trusted."""

import pytest
import structlog
from click.testing import CliRunner
from msgspec.structs import replace
from multidict import CIMultiDict, CIMultiDictProxy

from orchestrator_server import addresses
from orchestrator_server import app as server_app
from orchestrator_server.__main__ import main
from orchestrator_server.app import create_app
from orchestrator_server.cli.serve import Cidr
from orchestrator_server.http.keys import SETTINGS
from orchestrator_server.http.proxies import TrustedProxies
from tests.conftest import fast_passwords, serving
from tests.support.world import ADMIN_PASSWORD, api_at

PROXY = "127.0.0.1"


def trusted(*networks):
    return TrustedProxies([addresses.parse_network(network) for network in networks])


def headers(*lines, **others):
    found = CIMultiDict([("X-Forwarded-For", line) for line in lines])
    found.update({name.replace("_", "-"): value for name, value in others.items()})
    return CIMultiDictProxy(found)


@pytest.fixture
async def behind_a_proxy(config, clock, monkeypatch):
    """A server that trusts the proxy on its own machine."""
    monkeypatch.setattr(server_app, "Passwords", fast_passwords)
    config = replace(config, trusted_proxies=(addresses.parse_network(PROXY),))
    async with serving(create_app(config, clock)) as app, api_at(app["url"]) as api:
        api.app = app
        yield api


def seen_as(client, **others):
    return {"X-Forwarded-For": client, **others}


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["203.0.113.7"], "203.0.113.7"),
        ([" 203.0.113.7 "], "203.0.113.7"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["2001:DB8:0::7"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7", "10.0.0.2, ::ffff:10.0.0.3"], "203.0.113.7"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # one of ours asks by itself
        (["6.6.6.6, ,"], "10.0.0.1"),
        (["6.6.6.6, , 10.0.0.2"], "10.0.0.2"),
        (["6.6.6.6, unknown"], "10.0.0.1"),
        (["6.6.6.6, unix:"], "10.0.0.1"),
        (["6.6.6.6, 203.0.113.7%eth0"], "10.0.0.1"),
        (["6.6.6.6, fe80::1%\x1b[31m"], "10.0.0.1"),
        (["6.6.6.6, 203.0.113.007"], "10.0.0.1"),
        (["6.6.6.6, [203.0.113.7"], "10.0.0.1"),
        (["6.6.6.6, 203.0.113.7:port"], "10.0.0.1"),
        (["6.6.6.6, 203.0.113.7:1234567"], "10.0.0.1"),
        (['6.6.6.6, "203.0.113.7"'], "10.0.0.1"),
        (["6.6.6.6, " + "1" * 8000], "10.0.0.1"),
        (["6.6.6.6, " + "10.0.0.2, " * 500 + "10.0.0.2"], "10.0.0.2"),
        (["," * 8000], "10.0.0.1"),
        (["6.6.6.6;203.0.113.7"], "10.0.0.1"),
        (["\u0661.2.3.4"], "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_trusted(lines, client):
    assert trusted("10.0.0.0/8").client("10.0.0.1", headers(*lines)).address == client


def test_a_peer_that_is_not_trusted_names_nobody():
    proxies = trusted("10.0.0.1", "fd00::/8")
    for peer in ("10.0.0.2", "203.0.113.7", "::1", "", "not an address"):
        told = proxies.client(peer, headers("6.6.6.6", X_Forwarded_Proto="https"))
        assert (told.address, told.scheme) == (peer, None)
    for peer in ("10.0.0.1", "::ffff:10.0.0.1", "fd00::7", "fd00::7%eth0"):
        assert proxies.client(peer, headers("6.6.6.6")).address == "6.6.6.6"


@pytest.mark.parametrize(
    ("written", "scheme"),
    [("https", "https"), ("HTTP", "http"), ("http, https ", "https"), ("https, http", "http"),
     ("", None), ("ftp", None), ("https;", None), ("https,", None)],
)  # fmt: skip
def test_the_scheme_is_what_the_nearest_proxy_wrote(written, scheme):
    found = trusted("10.0.0.1").client("10.0.0.1", headers(X_Forwarded_Proto=written))
    assert found.scheme == scheme


def test_a_trusted_network_is_given_as_any_of_its_spellings():
    cidr = Cidr()
    assert cidr.split_envvar_value("10.0.0.1, fd00::/8 192.0.2.0/24,") == [
        "10.0.0.1", "fd00::/8", "192.0.2.0/24",
    ]  # fmt: skip
    assert str(cidr.convert("10.0.0.1", None, None)) == "10.0.0.1/32"
    assert str(cidr.convert("::ffff:10.0.0.0/104", None, None)) == "10.0.0.0/8"


@pytest.mark.parametrize(
    "wrong", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", "10.0.0.0/33"]
)
def test_what_is_no_network_or_every_address_is_refused(wrong, tmp_path):
    ended = CliRunner().invoke(main, ["serve", "--data", str(tmp_path), "--trusted-proxy", wrong])
    assert ended.exit_code == 2
    assert wrong in ended.output
    assert not list(tmp_path.iterdir())


async def test_two_clients_behind_a_proxy_are_told_apart(behind_a_proxy):
    api = behind_a_proxy
    guess = {"username": "admin", "password": "a wrong password"}
    for _ in range(6):
        answer = await api.ask(
            "POST", "/api/auth/login", json=guess, headers=seen_as("203.0.113.66")
        )
        assert answer.status == 401
    right = {**guess, "password": ADMIN_PASSWORD}
    locked = await api.ask("POST", "/api/auth/login", json=right, headers=seen_as("203.0.113.66"))
    assert locked.status == 401
    owner = await api.ask("POST", "/api/auth/login", json=right, headers=seen_as("203.0.113.7"))
    assert owner.status == 200
    admin = api.as_(Authorization=f"Bearer {owner.body['access_token']}")
    events = (await admin.get("/api/audit"))["items"]
    assert [event["ip_address"] for event in events[:2]] == ["203.0.113.7", "203.0.113.66"]


async def test_a_cookie_is_secure_where_the_client_came_over_tls(behind_a_proxy):
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    for scheme, name in (("https", "__Host-runwright"), ("http", "runwright")):
        answer = await behind_a_proxy.ask(
            "POST",
            "/console/sign-in",
            data=form,
            headers=seen_as("203.0.113.7", **{"X-Forwarded-Proto": scheme}),
            allow_redirects=False,
        )
        cookie = answer.headers["Set-Cookie"]
        assert (cookie.partition("=")[0], "Secure" in cookie) == (name, scheme == "https")


async def test_a_session_without_a_challenge_is_shared_on_loopback_alone(api, server):
    async def start(**headers):
        body = {"machine_name": "ada-laptop"}
        answer = await api.ask("POST", "/api/sdk/auth/start", json=body, headers=headers)
        assert answer.status == 200
        return answer.body["session_id"]

    strangers = [
        await start(**{name: "203.0.113.7"})
        for name in ("X-Forwarded-For", "x-forwarded-host", "Forwarded", "Via", "X-Real-IP")
    ]
    here = await start()
    assert here == await start()
    assert len({here, *strangers}) == 6  # one that came through a proxy is nobody else's
    general = replace(server[SETTINGS].general, public_url="https://robots.example.com")
    server[SETTINGS].all = replace(server[SETTINGS].all, general=general)
    assert await start() not in {here, *strangers}


async def test_behind_a_trusted_proxy_each_start_is_another_session(behind_a_proxy):
    body = {"machine_name": "ada-laptop"}
    found = [
        await behind_a_proxy.ask(
            "POST", "/api/sdk/auth/start", json=body, headers=seen_as("203.0.113.7")
        )
        for _ in range(11)
    ]
    assert [answer.status for answer in found] == [200] * 10 + [429]
    assert len({answer.body["session_id"] for answer in found[:10]}) == 10
    other = await behind_a_proxy.ask(
        "POST", "/api/sdk/auth/start", json=body, headers=seen_as("203.0.113.8")
    )
    assert other.status == 200


async def test_a_health_check_on_the_machine_may_use_loopback_names(config, clock):
    config = replace(config, allowed_hosts=("Robots.example.com",))
    async with serving(create_app(config, clock)) as app, api_at(app["url"]) as api:
        for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "robots.example.com"):
            for path in ("live", "ready"):
                await api.get(f"/api/health/{path}", 200, headers={"Host": host})
        assert (await api.ask("GET", "/openapi.json", headers={"Host": "localhost"})).status == 421
        other = await api.ask("GET", "/api/health/live", headers={"Host": "evil.example"})
        assert other.status == 421


async def test_a_client_of_a_trusted_proxy_is_not_on_the_machine(config, clock):
    config = replace(
        config,
        allowed_hosts=("robots.example.com",),
        trusted_proxies=(addresses.parse_network(PROXY),),
    )
    async with serving(create_app(config, clock)) as app, api_at(app["url"]) as api:
        for client, status in ((PROXY, 200), ("203.0.113.7", 421)):
            told = {"Host": "localhost", "X-Forwarded-For": client}
            assert (await api.ask("GET", "/api/health/live", headers=told)).status == status


async def sign_ins(api, *all_headers):
    for headers in all_headers:
        body = {"username": "admin", "password": ADMIN_PASSWORD}
        await api.ask("POST", "/api/auth/login", json=body, headers=headers)


async def test_a_proxy_that_is_plainly_there_is_warned_of_once(api):
    with structlog.testing.capture_logs() as logs:
        await sign_ins(api, *[seen_as("203.0.113.7")] * 2, {}, *[seen_as("203.0.113.7")] * 2)
        assert logs == []
        await sign_ins(api, *[seen_as("203.0.113.7")] * 5)
    [warning] = logs
    assert "--trusted-proxy" in warning["event"]
    assert warning["address"] == "127.0.0.1"


async def test_a_trusted_proxy_is_not_warned_of_but_one_before_it_is(behind_a_proxy):
    with structlog.testing.capture_logs() as logs:
        await sign_ins(behind_a_proxy, *[seen_as("203.0.113.7")] * 5)
        assert logs == []
        await sign_ins(behind_a_proxy, *[seen_as("6.6.6.6, 203.0.113.9")] * 5)
    assert [warning["address"] for warning in logs] == ["203.0.113.9"]


async def test_the_same_place_is_known_behind_a_trusted_proxy(behind_a_proxy):
    started = await behind_a_proxy.ask(
        "POST",
        "/api/sdk/auth/start",
        json={"machine_name": "laptop", "code_challenge": "x" * 43},
        headers=seen_as("203.0.113.7"),
    )
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    signed_in = await behind_a_proxy.ask(
        "POST", "/console/sign-in", data=form, allow_redirects=False
    )
    behind_a_proxy.session.cookie_jar.clear()
    cookie = {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}
    for client, is_same in (
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("6.6.6.6, 203.0.113.7", False),  # perhaps a proxy, and many behind it
    ):
        page = await behind_a_proxy.ask(
            "GET",
            f"/console/sdk?code={started.body['user_code']}",
            headers={**cookie, **seen_as(client)},
        )
        assert (b"the same as yours" in page.body) == is_same
