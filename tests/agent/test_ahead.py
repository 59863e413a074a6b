"""What has changed is prepared before there is a job."""

import asyncio
import sys

import pytest

from tests.agent.fake_server import a_package, serving
from tests.agent.running_agent import an_agent
from tests.agent.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at processes")


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


async def test_a_changed_process_finds_its_package_and_environment_ready(
    server, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO")
    server.change(a_package("pass"))
    async with an_agent(server, tmp_path, monkeypatch):
        await until(lambda: "main.py of p is prepared." in caplog.text)
        await server.until(lambda: len(server.beats) >= 3)
    [archive] = (tmp_path / "packages").glob("*.zip")
    [_] = (tmp_path / "environments").glob("*/runwright-ready")
    assert archive.stem == server.prepare[0]["package"]["sha256"]
    assert not (tmp_path / "ahead").exists()
    assert caplog.text.count("is prepared.") == 1  # though each beat tells it again


async def test_what_cannot_be_prepared_is_said_and_the_next_is_prepared(
    server, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO")
    server.change(a_package("pass"), "other.py")
    server.change(b"no archive")
    server.change(a_package("print()"))
    async with an_agent(server, tmp_path, monkeypatch):
        await until(lambda: "is prepared." in caplog.text)
    assert "other.py of p cannot be prepared ahead: The package has no script" in caplog.text
    assert "main.py of p cannot be prepared ahead: The package cannot be unpacked" in caplog.text


async def test_jobs_do_not_wait_for_it(server, tmp_path, monkeypatch):
    busy = asyncio.Event()

    async def for_ever(self, link, wanted):
        busy.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("robot_agent.ahead.Ahead._prepare", for_ever)
    server.change(a_package("pass"))
    async with an_agent(server, tmp_path, monkeypatch):
        await asyncio.wait_for(busy.wait(), 10)
        server.give("print('here')")
        await server.note()
        await server.until(lambda: server.reports)
    assert server.reports[0]["status"] == "completed"
