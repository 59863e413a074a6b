"""What differs between systems in starting a script and ending it with all it spawned."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

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


class Swept(NamedTuple):
    killed: int = 0
    left: int = 0  # out of our reach, or born faster than they were killed


NOBODY = Swept()


def sweep(mark: str) -> Swept:
    """Kill whoever was born with `mark` in its environment, until a look finds nobody.

    A descendant that left the process group still has it. Without /proc nothing is found. Blocks,
    so call it in a thread.
    """
    killed: set[int] = set()
    unclear: set[int] = set()
    for _ in range(SWEEPS):
        known = unclear
        marked, unclear = _look(mark.encode())
        if not marked and unclear <= known:
            return Swept(len(killed))
        for pid in marked:
            with suppress(ProcessLookupError, PermissionError):  # gone, or grown out of reach
                os.kill(pid, FIRMLY)
                killed.add(pid)
        time.sleep(DYING_SECONDS)
    return Swept(len(killed), len(_look(mark.encode())[0]))


def _look(mark: bytes) -> tuple[set[int], set[int]]:
    """Who has the mark, and of whom it cannot be told yet.

    Whoever is about to become another program has no environment for a moment; who has none at
    the next look either was given none. A zombie has none, and no program, so those that were
    killed already do not count again.
    """
    marked, unclear = set(), set()
    for pid in _pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if not environment and Path(f"/proc/{pid}/exe").readlink():
                unclear.add(pid)
        except OSError:  # ended meanwhile, somebody else's, or the kernel's own
            continue
        if any(entry.startswith(mark) for entry in environment.split(b"\0")):
            marked.add(pid)
    return marked - {os.getpid()}, unclear


def _pids() -> list[int]:
    proc = Path("/proc")
    if not proc.is_dir():
        return []
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal()]
