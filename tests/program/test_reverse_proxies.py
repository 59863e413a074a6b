"""The server behind nginx and Caddy, with the configurations of docs/server.md."""

import asyncio
import io
import os
import time
import zipfile

import aiohttp
import pytest

from tests.support import proxies
from tests.support.processes import a_server
from tests.support.world import ADMIN_PASSWORD, Api

PACKAGE_BYTES = 100_000_000
LONG_POLL_SECONDS = 22
GUESSER, OWNER = "127.0.0.4", "127.0.0.5"


@pytest.fixture(params=["nginx", "caddy"])
async def proxy(request, tmp_path):
    proxies.program(request.param)
    arguments = ("--trusted-proxy", "127.0.0.1/32", "--allowed-host", proxies.NAME)
    folder = tmp_path / "proxy"
    folder.mkdir()
    async with (
        a_server(tmp_path / "data", arguments=arguments) as server,
        getattr(proxies, request.param)(server.port, folder) as proxy,
    ):
        yield proxy


async def login(session, url, password=ADMIN_PASSWORD):
    return await Api(session, url).ask(
        "POST", "/api/auth/login", json={"username": "admin", "password": password}
    )


def large_package():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as package:
        package.writestr("main.py", "print('hello')")
        package.writestr("model.bin", os.urandom(PACKAGE_BYTES))
    content.seek(0)
    return content


async def test_two_clients_are_told_apart_and_seen_as_on_tls(proxy):
    async with proxy.session_from(GUESSER) as guesser, proxy.session_from(OWNER) as owner:
        for _ in range(6):
            assert (await login(guesser, proxy.url, "a wrong password")).status == 401
        assert (await login(guesser, proxy.url)).status == 401  # locked out
        admin = await Api(owner, proxy.url).sign_in()
        events = (await admin.get("/api/audit"))["items"]
        assert [event["ip_address"] for event in events[:2]] == [OWNER, GUESSER]
        spoofed = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}
        await admin.ask("POST", "/api/machines", status=201, json={"name": "m"}, headers=spoofed)
        events = (await admin.get("/api/audit"))["items"]
        assert events[0]["ip_address"] == OWNER
        page = await Api(owner, proxy.url).ask(
            "POST",
            "/console/sign-in",
            data={"username": "admin", "password": ADMIN_PASSWORD},
            headers=spoofed,
            allow_redirects=False,
        )
        assert page.headers["Set-Cookie"].startswith("__Host-runwright=")
        assert "; Secure" in page.headers["Set-Cookie"]


async def test_an_upload_of_a_hundred_megabytes_a_followed_log_and_a_long_poll(proxy):
    async with proxy.session_from(OWNER) as session:
        admin = await Api(session, proxy.url).sign_in()
        form = aiohttp.FormData()
        form.add_field("file", large_package(), filename="large_1.0.0.zip")
        package = await admin.ask("POST", "/api/packages/upload", status=201, data=form)
        process = await admin.post(
            "/api/processes", 201, name="large", package_id=package["id"], script_path="main.py"
        )
        job = await admin.make_job(process)
        robot = await admin.make_robot()
        given = await robot.post("/api/runner/next-job", 200, claim_key="k")
        assert given["job"]["id"] == job["id"]
        await log_is_followed(admin, robot, job["id"])
        report = {"attempt": 1, "outcome": "completed"}
        await robot.post(f"/api/runner/jobs/{job['id']}/update", None, **report)
        began = time.monotonic()
        other = await admin.make_robot("another")
        waited = await other.post(
            "/api/runner/next-job", 200, claim_key="l", wait_seconds=LONG_POLL_SECONDS
        )
        assert waited["job"] is None
        assert time.monotonic() - began >= LONG_POLL_SECONDS


async def log_is_followed(admin, robot, number):
    """Each line is read before the next is written: nothing on the way holds it back."""
    url = f"{admin.url}/api/jobs/{number}/logs/stream"
    async with admin.session.get(url, headers=admin.headers) as log, asyncio.timeout(15):
        offset = 0
        for line in (b"one\n", b"two\n", b"three\n"):
            answer = await robot.ask(
                "POST",
                f"/api/runner/jobs/{number}/logs?attempt=1&offset={offset}",
                status=200,
                data=line,
                headers={"Content-Type": "application/octet-stream"},
            )
            offset = answer["next_offset"]
            text = line.decode().strip()
            while text not in (await log.content.readline()).decode():
                pass
