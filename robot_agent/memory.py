"""How much memory this machine has, and how much of it is free; bytes, or None if unknown."""

import os
import sys
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    total: int | None = None
    free: int | None = None


if sys.platform == "win32":
    import ctypes

    class _Status(ctypes.Structure):
        """MEMORYSTATUSEX"""

        _fields_ = [
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            ("total", ctypes.c_uint64),
            ("available", ctypes.c_uint64),
            *((f"unused{number}", ctypes.c_uint64) for number in range(5)),
        ]

    def memory() -> Memory:
        status = _Status(length=ctypes.sizeof(_Status))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return Memory()
        return Memory(status.total, status.available)

else:
    MEMINFO = Path("/proc/meminfo")

    def memory() -> Memory:
        try:
            lines = MEMINFO.read_text(encoding="ascii").splitlines()
            kib = {
                name: int(rest.split()[0]) for name, _, rest in (li.partition(":") for li in lines)
            }
            return Memory(kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024)
        except (OSError, KeyError, ValueError, IndexError):
            return _total_alone()

    def _total_alone() -> Memory:
        """macOS tells no more than that without a library."""
        try:
            return Memory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (ValueError, OSError):
            return Memory()
