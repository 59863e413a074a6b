"""What people see of a robot's machine, and how often it is told."""

import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from robot_agent import desktop, machine_info
from robot_agent.machine_info import Machine, News
from tests.agent.fake_server import serving
from tests.agent.running_agent import an_agent


@pytest.fixture
def machine(tmp_path):
    found = Machine(tmp_path)
    found.look()
    return found


def test_it_tells_the_system_the_versions_the_memory_the_disk_and_the_environments(
    machine, tmp_path
):
    for number in (1, 2):
        environment = tmp_path / "environments" / str(number)
        environment.mkdir(parents=True)
        (environment / "runwright-ready").write_text(str(50 * 1024**2))
    machine.look()
    info = machine.info()
    assert (info["environments"], info["environments_mib"]) == (2, 100)
    assert 0 < info["disk_free_mib"] < info["disk_total_mib"]
    assert info["python"].startswith("3.") and info["agent"] and info["os"] and info["hostname"]
    assert info["cpus"] >= 1 and info["has_desktop"] in (True, False)
    assert "takes_no_jobs" not in info and "clock_offset_seconds" not in info
    assert machine.info("The disk is full.")["takes_no_jobs"] == "The disk is full."


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/meminfo")
def test_it_tells_how_much_memory_is_free(machine):
    assert 0 < machine.info()["memory_free_mib"] < machine.info()["memory_total_mib"]


def test_uv_is_told_with_its_version_or_as_missing(machine, monkeypatch):
    assert machine.info()["uv"].count(".") == 2
    monkeypatch.setattr("robot_agent.environments.uv.program", lambda: "/no/such/uv")
    assert machine_info.uv_version() is None


def test_the_clock_is_compared_with_the_servers_in_the_middle_of_the_question(machine):
    sent = time.time() - 2  # it took two seconds
    machine.note_clock(sent, datetime.now(UTC) - timedelta(seconds=1) - timedelta(hours=1))
    assert machine.clock_offset_seconds == pytest.approx(3600, abs=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for a display")
def test_a_desktop_is_where_a_display_is(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not desktop.has_desktop()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert desktop.has_desktop()


class World:
    def __init__(self, monkeypatch, machine):
        self.now, self.machine, self.news = 1000.0, machine, News(machine)
        monkeypatch.setattr("robot_agent.machine_info.now", lambda: self.now)
        machine._state |= {"disk_total_mib": 1000, "disk_free_mib": 500}
        self.news.note_told(self.news.everything())

    def after(self, seconds, **state):
        self.now += seconds
        self.machine._state |= state
        news = self.news.since_told()
        self.news.note_told(news)
        return news


@pytest.fixture
def world(monkeypatch, machine):
    return World(monkeypatch, machine)


def test_what_has_not_changed_noticeably_is_not_told_again(world):
    assert world.after(1000) is None
    assert world.after(1000, disk_free_mib=470) is None
    assert world.after(1000, disk_free_mib=449)["disk_free_mib"] == 449
    assert world.after(1000, disk_free_mib=451) is None


def test_news_is_told_no_more_than_once_a_minute(world):
    assert world.after(30, disk_free_mib=100) is None
    assert world.after(31)["disk_free_mib"] == 100
    assert world.after(59, disk_free_mib=900) is None


def test_trouble_is_told_at_once_and_so_is_its_end(world):
    world.news.trouble = "The disk is full."
    assert world.after(1)["takes_no_jobs"] == "The disk is full."
    assert world.after(1) is None
    world.news.trouble = None
    assert "takes_no_jobs" not in world.after(1)


def test_a_clock_that_is_set_is_told(world):
    world.machine.clock_offset_seconds = 0.3
    assert world.after(61)["clock_offset_seconds"] == 0.3
    world.machine.clock_offset_seconds = -0.5
    assert world.after(61) is None
    world.machine.clock_offset_seconds = 3600.0
    assert world.after(61)["clock_offset_seconds"] == 3600.0


async def test_it_is_told_when_a_robot_registers_and_then_with_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_info, "TELL_SECONDS", 0.2)
    async with serving() as server, an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: any(beat.get("machine_info") for beat in server.beats))
    first = server.registered[0]["machine_info"]
    assert first["disk_total_mib"] > 0 and "clock_offset_seconds" not in first
    told = next(beat["machine_info"] for beat in server.beats if beat.get("machine_info"))
    assert told["clock_offset_seconds"] > 3600  # the clock of this server stands still


async def test_trouble_is_not_forgotten_when_a_robot_registers_again(tmp_path, monkeypatch):
    monkeypatch.setattr("robot_agent.link.AGAIN_SECONDS", 0.01)
    async with (
        serving() as server,
        an_agent(server, tmp_path, monkeypatch, min_free_bytes=2**62),
    ):
        await server.until(
            lambda: any("takes_no_jobs" in (b.get("machine_info") or {}) for b in server.beats)
        )
        server.tokens = set()
        await server.until(lambda: len(server.registered) == 2)
    assert "are needed" in server.registered[1]["machine_info"]["takes_no_jobs"]
