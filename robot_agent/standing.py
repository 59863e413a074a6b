"""How this agent stands at the moment: for people, for monitoring, for the service manager."""

import asyncio
import os
import shutil
from datetime import UTC, datetime
from importlib import metadata

import msgspec

from robot_agent.clock import now
from robot_agent.config import Config
from robot_agent.data_folder import DataFolder
from robot_agent.heartbeat import Heart
from robot_agent.machine_info import Machine
from robot_agent.running import RunningJob

SILENT_SECONDS = 30.0  # three beats
BEATS = 3


class JobStanding(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    attempt: int
    phase: str
    seconds: float


class RobotStanding(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    registered: bool = False
    acknowledged_at: datetime | None = None  # the server has answered a beat; only it can do that
    silent_seconds: float = 0.0
    takes_no_jobs: str | None = None
    jobs_taken: int = 0
    job: JobStanding | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    healthy: bool
    summary: str
    state: str  # "starting", "working", "stopping"
    url: str
    version: str
    pid: int
    started_at: datetime
    robots: list[RobotStanding]
    outstanding_reports: int
    disk_free_bytes: int
    disk_total_bytes: int
    clock_offset_seconds: float | None = None


class Lookout:
    """Knows where to look; changes nothing."""

    def __init__(self, config: Config, data: DataFolder, machine: Machine) -> None:
        self.hearts: dict[str, Heart] = {}  # of robots that are registered and have not ended
        self.stopping = asyncio.Event()
        self._config = config
        self._data = data
        self._machine = machine
        self._missing = set(config.robot_names)
        self._started_at = datetime.now(UTC)

    def add(self, heart: Heart) -> bool:
        """Whether all robots are registered now, and were not before."""
        self.hearts[heart.name] = heart
        was_missing = heart.name in self._missing
        self._missing.discard(heart.name)
        return was_missing and not self._missing

    def is_alive(self) -> bool:
        """Whether every loop goes on; not whether anybody hears it."""
        return all(heart.is_beating() for heart in self.hearts.values())

    def is_healthy(self) -> bool:
        heard = all(heart.silent_seconds < _patience(heart) for heart in self.hearts.values())
        return heard and (not self._missing or self.stopping.is_set())

    def summary(self) -> str:
        """One line, as `systemctl status` and people see it."""
        if self._missing and not self.stopping.is_set():
            return f"Waiting for {self._config.url} to register {', '.join(sorted(self._missing))}."
        silent = [h.name for h in self.hearts.values() if h.silent_seconds >= _patience(h)]
        if silent:
            return f"{self._config.url} does not hear {', '.join(silent)}."
        jobs = [f"job {h.running.assignment.id}" for h in self.hearts.values() if h.running]
        doing = "Stopping" if self.stopping.is_set() else "Working"
        trouble = next((h.trouble for h in self.hearts.values() if h.trouble), None)
        return f"{doing}: {', '.join(jobs) or 'no job'}." + (f" {trouble}" if trouble else "")

    async def standing(self) -> Standing:
        entries = await asyncio.to_thread(self._data.journal.entries)
        disk = await asyncio.to_thread(shutil.disk_usage, self._data.path)
        waiting = [RobotStanding(name=name) for name in self._missing]
        robots = [*map(_robot, self.hearts.values()), *waiting]
        return Standing(
            healthy=self.is_healthy(),
            summary=self.summary(),
            state=self._state(),
            url=self._config.url,
            version=metadata.version("runwright"),
            pid=os.getpid(),
            started_at=self._started_at,
            robots=sorted(robots, key=lambda robot: robot.name),
            outstanding_reports=sum(entry.report is not None for entry in entries),
            disk_free_bytes=disk.free,
            disk_total_bytes=disk.total,
            clock_offset_seconds=self._machine.clock_offset_seconds,
        )

    def _state(self) -> str:
        if self.stopping.is_set():
            return "stopping"
        return "starting" if self._missing else "working"


def _patience(heart: Heart) -> float:
    return max(SILENT_SECONDS, float(BEATS * heart.settings.heartbeat_seconds))


def _robot(heart: Heart) -> RobotStanding:
    return RobotStanding(
        name=heart.name,
        registered=True,
        acknowledged_at=heart.acknowledged_at,
        silent_seconds=round(heart.silent_seconds, 1),
        takes_no_jobs=heart.trouble,
        jobs_taken=heart.jobs_taken,
        job=_job(heart.running) if heart.running else None,
    )


def _job(running: RunningJob) -> JobStanding:
    return JobStanding(
        id=running.assignment.id,
        attempt=running.assignment.attempt,
        phase=running.phase,
        seconds=round(now() - running.since, 1),
    )
