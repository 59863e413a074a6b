"""What differs between systems in starting a script and ending it with all it spawned."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

SWEEPS = 10  # a fork bomb may outrun any number; each sweep is a walk over all processes
DYING_SECONDS = 0.01  # what was killed is seen a little longer

if sys.platform == "win32":
    FIRMLY = signal.SIGTERM

    def start_options() -> dict[str, Any]:
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}

    async def ask_to_stop(child: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError, OSError):  # it has ended by itself meanwhile
            child.send_signal(signal.CTRL_BREAK_EVENT)

    async def kill(child: asyncio.subprocess.Process) -> None:
        killer = await asyncio.create_subprocess_exec(
            "taskkill", "/T", "/F", "/PID", str(child.pid),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await killer.wait()

else:
    FIRMLY = signal.SIGKILL

    def start_options() -> dict[str, Any]:
        # Its own session and process group, so that the whole family can be ended.
        return {"start_new_session": True}

    async def ask_to_stop(child: asyncio.subprocess.Process) -> None:
        _signal_group(child, signal.SIGTERM)

    async def kill(child: asyncio.subprocess.Process) -> None:
        _signal_group(child, signal.SIGKILL)

    def _signal_group(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # nobody is left in the group
            os.killpg(child.pid, number)


def sweep(mark: str) -> int:
    """Kill whoever was born with `mark` in its environment; return how many that were.

    A descendant that left the process group still has it. Without /proc nothing is found. Blocks,
    so call it in a thread.
    """
    killed: set[int] = set()
    for _ in range(SWEEPS):
        found = [pid for pid in _pids() if pid != os.getpid() and _is_marked(pid, mark.encode())]
        if not found:
            break
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):  # gone, or grown out of reach
                os.kill(pid, FIRMLY)
                killed.add(pid)
        time.sleep(DYING_SECONDS)
    return len(killed)


def _pids() -> list[int]:
    proc = Path("/proc")
    if not proc.is_dir():
        return []
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal()]


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # ended meanwhile, or somebody else's
        return False
    # A zombie has no environment, so those that were killed already do not count again.
    return any(entry.startswith(mark) for entry in environment.split(b"\0"))
