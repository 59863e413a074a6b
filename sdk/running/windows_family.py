"""A script and all it spawns on Windows: a job object, which whoever is born in it cannot leave.

Written from Microsoft's documentation of job objects; our tests have no Windows to run it on.
The object is closed with the agent, and what is in it then ends (KILL_ON_JOB_CLOSE).
"""

import asyncio
import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ctypes import wintypes
from pathlib import Path
from typing import BinaryIO

from sdk.running.counts import NOBODY, Swept, Use
from sdk.running.launch import SAME, Launch

assert sys.platform == "win32"  # noqa: S101 -- for mypy, which then skips this file elsewhere

BASIC_ACCOUNTING, EXTENDED_LIMITS = 1, 9  # JOBOBJECTINFOCLASS
KILL_ON_JOB_CLOSE = 0x2000
SET_QUOTA_AND_TERMINATE = 0x0101  # PROCESS_SET_QUOTA | PROCESS_TERMINATE
KILLED = 1  # the exit code of what is ended from outside

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateJobObjectW.restype = wintypes.HANDLE
_kernel32.OpenProcess.restype = wintypes.HANDLE


class _BasicLimits(ctypes.Structure):
    _fields_ = [
        ("PerProcessUserTimeLimit", wintypes.LARGE_INTEGER),
        ("PerJobUserTimeLimit", wintypes.LARGE_INTEGER),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    ]


class _ExtendedLimits(ctypes.Structure):
    _fields_ = [
        ("Basic", _BasicLimits),
        ("IoCounters", ctypes.c_ulonglong * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    ]


class _Accounting(ctypes.Structure):
    _fields_ = [
        ("Times", wintypes.LARGE_INTEGER * 4),
        ("TotalPageFaultCount", wintypes.DWORD),
        ("TotalProcesses", wintypes.DWORD),
        ("ActiveProcesses", wintypes.DWORD),
        ("TotalTerminatedProcesses", wintypes.DWORD),
    ]


def adopt_orphans() -> None:
    """Nothing to do: nobody leaves a job object by losing its parent."""


class Family:
    """A running script, and whoever it has started."""

    def __init__(self, child: asyncio.subprocess.Process, job_object: int) -> None:
        self.child = child
        self._job_object = job_object

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output: BinaryIO,
        mark: str,
        launch: Launch = SAME,
    ) -> "Family":
        """OSError if it cannot start. What the script starts before it is in the job object,
        within the first milliseconds, would be outside of it."""
        job_object = _job_object()
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
        process = _kernel32.OpenProcess(SET_QUOTA_AND_TERMINATE, False, child.pid)
        try:
            _must(_kernel32.AssignProcessToJobObject(wintypes.HANDLE(job_object), process))
        finally:
            _kernel32.CloseHandle(wintypes.HANDLE(process))
        return cls(child, job_object)

    def ask_to_stop(self) -> None:
        with suppress(ProcessLookupError, OSError):  # it has ended by itself meanwhile
            self.child.send_signal(signal.CTRL_BREAK_EVENT)

    async def end(self) -> Swept:
        """Kill whoever is left in the job object."""
        killed = self._active_processes()
        handle = wintypes.HANDLE(self._job_object)
        _must(_kernel32.TerminateJobObject(handle, KILLED))
        await self.child.wait()
        left = self._active_processes()
        _kernel32.CloseHandle(handle)
        return Swept(killed, left)

    def use(self) -> Use:
        limits = _ExtendedLimits()
        self._query(EXTENDED_LIMITS, limits)
        return Use(limits.PeakJobMemoryUsed, self._active_processes())

    def why_not_started(self, output: Path) -> str:
        """Nothing: what cannot be started is told at the start."""
        return ""

    def _active_processes(self) -> int:
        accounting = _Accounting()
        self._query(BASIC_ACCOUNTING, accounting)
        return int(accounting.ActiveProcesses)

    def _query(self, kind: int, into: ctypes.Structure) -> None:
        handle, size = wintypes.HANDLE(self._job_object), ctypes.sizeof(into)
        _must(_kernel32.QueryInformationJobObject(handle, kind, ctypes.byref(into), size, None))


def sweep(mark: str) -> Swept:
    """Nobody outlives the agent that holds the job object."""
    return NOBODY


def _job_object() -> int:
    handle = _kernel32.CreateJobObjectW(None, None)
    _must(handle)
    limits = _ExtendedLimits()
    limits.Basic.LimitFlags = KILL_ON_JOB_CLOSE
    size = ctypes.sizeof(limits)
    _must(
        _kernel32.SetInformationJobObject(
            wintypes.HANDLE(handle), EXTENDED_LIMITS, ctypes.byref(limits), size
        )
    )
    return int(handle)


def _must(done: object) -> None:
    if not done:
        raise ctypes.WinError(ctypes.get_last_error())
