"""What has changed is prepared before there is a job."""

import asyncio
import hashlib
import os
import sys
import time

import pytest

from robot_agent import packages
from sdk.contract.runner import AssignedPackage
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


async def test_archives_that_nobody_has_used_for_long_are_thrown_away(tmp_path):
    young, old = tmp_path / "young.zip", tmp_path / "old.zip"
    for archive, days in ((young, 29), (old, 31)):
        archive.write_bytes(b"")
        used_at = time.time() - days * 24 * 3600
        os.utime(archive, (used_at, used_at))
    packages.throw_away_old(tmp_path, 0)
    assert young.exists() and old.exists()
    packages.throw_away_old(tmp_path, 30)
    assert young.exists() and not old.exists()


@pytest.mark.parametrize("small_bytes", [0, packages.SMALL_BYTES])
async def test_what_is_verified_is_what_is_unpacked(tmp_path, monkeypatch, small_bytes):
    monkeypatch.setattr(packages, "SMALL_BYTES", small_bytes)
    content = a_package("print('right')")
    sha256 = hashlib.sha256(content).hexdigest()
    package = AssignedPackage(id=1, name="p", version="1.0.0", sha256=sha256, size_bytes=1)
    archive = packages.place_of(tmp_path, package)
    archive.write_bytes(content)
    with packages.verified(archive, package) as verified:
        archive.rename(tmp_path / "other")
        archive.write_bytes(a_package("print('other')"))
        packages.extract(verified, tmp_path / "work")
    assert (tmp_path / "work" / "main.py").read_text() == "print('right')"
    with packages.verified(archive, package) as verified:
        assert verified is None


async def test_what_is_used_is_noted_as_used_and_only_that(tmp_path):
    content = a_package("pass")
    sha256 = hashlib.sha256(content).hexdigest()
    package = AssignedPackage(id=1, name="p", version="1.0.0", sha256=sha256, size_bytes=1)
    archive = packages.place_of(tmp_path, package)
    assert not packages.is_there(archive, package) and not archive.exists()
    for there, is_right in ((b"damaged", False), (content, True)):
        archive.write_bytes(there)
        os.utime(archive, (1, 1))
        assert packages.is_there(archive, package) is is_right
        assert (archive.stat().st_mtime > 1) is is_right
