"""What /proc tells of processes (proc(5)); where there is none, nothing."""

import os
import time
from pathlib import Path
from typing import NamedTuple

DYING_SECONDS = 1.0
_PROC = Path("/proc")
_READ_BYTES = 65536
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Look(NamedTuple):
    """Who has a mark in the environment, and of whom it cannot be told yet."""

    marked: set[int]
    unclear: set[int]


def look(mark: bytes) -> Look:
    """Whoever is about to become another program has no environment for a moment; who has none
    at the next look either was given none. A zombie has none, and no program, so those that were
    killed already do not count again."""
    marked, unclear = set(), set()
    for pid in _pids():
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
            if not environment and (_PROC / str(pid) / "exe").readlink():
                unclear.add(pid)
        except OSError:  # ended meanwhile, somebody else's, or the kernel's own
            continue
        if any(entry.startswith(mark) for entry in environment.split(b"\0")):
            marked.add(pid)
    return Look(marked - {os.getpid()}, unclear)


def children_of(wanted: int) -> dict[int, str]:
    """The state of each, "Z" of one that has ended."""
    found = {}
    for pid in _pids():
        state, parent = _stat(pid)
        if parent == wanted:
            found[pid] = state
    return found


def own_children() -> set[int] | None:
    """Those of our main thread, to which orphans come too; None if the kernel has no such list.

    It is whole only if nobody is waited for at the same moment."""
    try:
        listed = _content(f"/proc/self/task/{os.getpid()}/children")
    except OSError:
        return None
    return {int(pid) for pid in listed.split()}


def living() -> set[int]:
    """All processes of the machine but those that have ended and wait to be buried."""
    return {pid for pid in _pids() if _stat(pid)[0] != "Z"}


def wait_for_end(killed: set[int]) -> None:
    """Wait for processes that were killed, a moment at most. One with much memory takes its time to
    end, and only then its children become orphans, by which they are found."""
    until = time.monotonic() + DYING_SECONDS
    while any(_stat(pid)[0] != "Z" for pid in killed) and time.monotonic() < until:
        time.sleep(0.01)


def memory_bytes(pid: int) -> int:
    """What it holds in memory now; shared pages count for everybody who has them."""
    try:
        return int(_content(f"/proc/{pid}/statm").split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _content(path: str) -> bytes:
    """As `read_bytes`, with half its system calls: it is asked for at each end of a script."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(descriptor, _READ_BYTES), b""))
    finally:
        os.close(descriptor)


def _stat(pid: int) -> tuple[str, int]:
    """Its state and its parent."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:  # ended meanwhile
        return "Z", 0
    state, parent = stat[stat.rindex(b")") + 2 :].split()[:2]  # the name may hold anything
    return state.decode(), int(parent)


def _pids() -> list[int]:
    if not _PROC.is_dir():
        return []
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
