"""What people see of the machine a robot works on. Nothing is decided by it."""

import asyncio
import logging
import os
import platform
import shutil
import subprocess
import time
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from robot_agent.clock import now
from robot_agent.desktop import has_desktop
from robot_agent.environments import folders, uv
from robot_agent.exits import JobFailed
from robot_agent.memory import memory
from sdk.running import regular_files
from sdk.running.orphans import birth
from sdk.strict_json import fit_values

LOOK_SECONDS = 60.0
TELL_SECONDS = 60.0  # a robot tells news of its machine no more often than this
NOTICEABLE = {  # by how much it must have changed, of its whole or by itself
    "memory_free_mib": 0.10,
    "disk_free_mib": 0.05,
    "environments_mib": 0.10,
    "clock_offset_seconds": 1.0,
}
WHOLE = {
    "memory_free_mib": "memory_total_mib",
    "disk_free_mib": "disk_total_mib",
    "environments_mib": "disk_total_mib",
}

log = logging.getLogger(__name__)


class Machine:
    """What is known of this machine at the moment, for all robots of the agent."""

    def __init__(self, data: Path | None = None, *, is_agents: bool = True) -> None:
        """Whether scripts have a desktop is told only by the agent that starts them."""
        self.clock_offset_seconds: float | None = None  # ours is ahead by so much
        self._data = data
        self._is_agents = is_agents
        self._facts: dict[str, Any] = {}
        self._state: dict[str, Any] = {}

    async def look_for_ever(self) -> None:
        """On a thread, and never in the way of a heartbeat: disks may be slow to answer."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await asyncio.to_thread(self.look)
            except OSError as error:
                log.debug("The machine cannot be looked at: %s", error)

    def look(self) -> None:
        self._facts = self._facts or _facts()
        self._state = _memory() | (_disk(self._data) if self._data else {})

    def note_clock(self, sent_at: float, server_time: datetime) -> None:
        """The server read its clock between `sent_at` and now, by our clock."""
        middle = (sent_at + time.time()) / 2
        self.clock_offset_seconds = round(middle - server_time.timestamp(), 1) + 0.0  # no -0

    def info(self, trouble: str | None = None) -> dict[str, Any]:
        """`trouble` is why a robot takes no jobs."""
        self._facts = self._facts or _facts()
        info = ({"takes_no_jobs": trouble} if trouble else {}) | self._facts | self._state
        if not self._is_agents:
            del info["has_desktop"]
        if self.clock_offset_seconds is not None:
            info["clock_offset_seconds"] = self.clock_offset_seconds
        fit: dict[str, Any] = fit_values(info)  # a host may have any name
        return fit


class News:
    """What one robot has told of its machine, and whether there is more to tell."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.trouble: str | None = None  # why this robot takes no jobs
        self._told: dict[str, Any] = {}
        self._told_at = 0.0

    def everything(self) -> dict[str, Any]:
        return self.machine.info(self.trouble)

    def since_told(self) -> dict[str, Any] | None:
        """Trouble at once, the rest when it is noticeable, and not too often."""
        info = self.everything()
        if info.get("takes_no_jobs") != self._told.get("takes_no_jobs"):
            return info
        if now() - self._told_at < TELL_SECONDS or not _differs(self._told, info):
            return None
        return info

    def note_told(self, info: dict[str, Any] | None) -> None:
        if info is not None:
            self._told, self._told_at = info, now()


def _differs(told: dict[str, Any], info: dict[str, Any]) -> bool:
    if told.keys() != info.keys():
        return True
    return any(_is_news(name, told[name], info) for name in info if told[name] != info[name])


def _is_news(name: str, before: Any, info: dict[str, Any]) -> bool:
    if name not in NOTICEABLE:
        return True
    whole = info[WHOLE[name]] if name in WHOLE else 1
    return bool(abs(info[name] - before) >= NOTICEABLE[name] * whole)


def _facts() -> dict[str, Any]:
    """What stays as it is while the agent lives."""
    return {
        "hostname": platform.node(),
        "system": platform.system(),
        "release": platform.release(),
        "os": _os_name(),
        "architecture": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "agent": metadata.version("runwright"),
        "uv": uv_version(),
        "has_desktop": has_desktop(),
    }


def _os_name() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    if platform.system() == "Windows":
        return f"Windows {platform.release()} ({platform.version()})"
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return platform.system()


def uv_version() -> str | None:
    """None if there is no uv, or none that works."""
    try:
        with birth():  # no sweep takes it for an orphan
            command = [uv.program(), "--version"]
            said = subprocess.run(command, capture_output=True, timeout=20)  # noqa: S603 -- ours
    except (JobFailed, OSError, subprocess.TimeoutExpired):
        return None
    parts = said.stdout.decode(errors="replace").split()
    return parts[1] if said.returncode == 0 and len(parts) > 1 else None


def _memory() -> dict[str, Any]:
    told = memory()._asdict().items()
    return {f"memory_{name}_mib": size // 1024**2 for name, size in told if size is not None}


def _disk(data: Path) -> dict[str, Any]:
    usage = shutil.disk_usage(data)
    count, size_bytes = _environments(data / "environments")
    return {
        "disk_total_mib": usage.total // 1024**2,
        "disk_free_mib": usage.free // 1024**2,
        "environments": count,
        "environments_mib": size_bytes // 1024**2,
    }


def _environments(folder: Path) -> tuple[int, int]:
    sizes = []
    for note in folder.glob(f"*/{folders.READY}"):
        try:
            sizes.append(int(regular_files.read(note, folders.NOTE_BYTES)))
        except (OSError, ValueError):
            continue  # it goes this very moment
    return len(sizes), sum(sizes)
