"""A script and all it spawns on POSIX: a session, a mark in the environment, signals.

On Linux the kernel kills the script when its agent dies, and who left the script's session and
even its environment is found as an orphan that the agent adopted. Elsewhere the session is all.
"""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from sdk.running import orphans, proc, regular_files
from sdk.running.child import Child
from sdk.running.counts import NOBODY, Swept, Use
from sdk.running.orphans import birth

assert sys.platform != "win32"  # noqa: S101 -- for mypy, which then skips this file there

SWEEPS = 10  # a fork bomb may outrun any number; each sweep is a walk over all processes
DYING_SECONDS = 0.01  # what was killed is seen a little longer
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
KILLED_BEFORE_US = 500  # proc(5), oom_score_adj: if memory runs out, the script, not its agent
NOT_EXECUTED = (126, 127)  # what setpriv exits with, after a line of its own

_adopts = False
_waits_here = False  # whether the loop waits for children itself, not a thread for each
_zombies: set[int] = set()


def adopt_orphans() -> None:
    """From now on whoever loses its parent below this process becomes its child.

    For a program that starts scripts and nothing else: at the end of a script, orphans die.
    """
    global _adopts, _waits_here
    if sys.platform == "linux":
        import ctypes  # only agents need it, and it takes its time to load

        _adopts = ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        _waits_here = _wait_by_descriptors()


def _wait_by_descriptors() -> bool:
    """As asyncio does by itself from Python 3.12 on, where the kernel can (pidfd_open(2))."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    if sys.version_info < (3, 12):
        watcher = asyncio.PidfdChildWatcher()
        with suppress(RuntimeError):  # a loop that comes later takes it by itself
            watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
    return True


class Family:
    """A running script, and whoever it has started."""

    def __init__(self, child: Child, mark: str) -> None:
        self.child = child
        self._mark = mark

    @classmethod
    def around(cls, child: Child, mark: str) -> "Family":
        """Of a script that was started already, in a session of its own, and restrains itself."""
        orphans.scripts.add(child.pid)
        return cls(child, mark)

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        output: BinaryIO,
        mark: str,
    ) -> "Family":
        """OSError if it cannot start. To be called on the main thread: when the thread that
        started a script ends, so does the script."""
        _must_be_a_program(argv[0])
        with birth():
            child = await asyncio.create_subprocess_exec(
                *launched(argv),
                cwd=cwd,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            _restrain(child.pid)
            return cls.around(child, mark)

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # who sleeps does not hear

    async def end(self) -> Swept:
        """Kill whoever is left; when this returns, nobody is, or the count says how many."""
        has_ended = self.child.returncode is not None
        if has_ended and _nobody_is_left(self.child.pid):
            orphans.scripts.discard(self.child.pid)
            return NOBODY
        # Those that can be told first, so that they are counted; then who is in the group still.
        swept = await asyncio.to_thread(sweep, self._mark)
        self._signal(signal.SIGKILL)
        await self.child.wait()
        orphans.scripts.discard(self.child.pid)
        return swept

    def use(self) -> Use:
        """What the family uses now; blocks for a walk over all processes."""
        pids = _look(self._mark.encode()).marked
        return Use(sum(proc.memory_bytes(pid) for pid in pids), len(pids))

    def why_not_started(self, output: Path) -> str:
        """What the launcher said, if the script's program could not be executed."""
        if self.child.returncode not in NOT_EXECUTED or not _launcher():
            return ""
        try:
            with regular_files.opened(output) as file:
                said = file.readline(1000).decode(errors="replace")
        except OSError:  # whatever ran has taken it away, so it was started
            return ""
        return said.removeprefix("setpriv: ").strip() if said.startswith("setpriv: ") else ""

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # nobody is left in the group
            os.killpg(self.child.pid, number)


def sweep(mark: str) -> Swept:
    """Kill whoever was born with `mark` in its environment, and orphans, until two looks in turn
    find nobody.

    A descendant that left the process group still has the mark. Without /proc nothing is found.
    Blocks, so call it in a thread.
    """
    killed: set[int] = set()
    unclear: set[int] = set()
    quiet = 0
    for _ in range(SWEEPS):
        known, look = unclear, _look(mark.encode())
        unclear = look.unclear
        quiet = quiet + 1 if not look.marked and unclear <= known else 0
        if quiet == 2:
            _bury()
            return Swept(len(killed))
        for pid in look.marked:
            with suppress(ProcessLookupError, PermissionError):  # gone, or grown out of reach
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        if look.marked or unclear:
            time.sleep(DYING_SECONDS)
    return Swept(len(killed), len(_look(mark.encode()).marked))


def _look(mark: bytes) -> proc.Look:
    look = proc.look(mark)
    if not _adopts:
        return look
    if len(orphans.scripts) <= 1:  # else an orphan may be of a script that goes on
        adopted = orphans.adopted() or {}
        look.marked.update(pid for pid, state in adopted.items() if state != "Z")
    return look


def _nobody_is_left(ended: int) -> bool:
    """Whether a script that has ended left nobody, without a look into all environments: whoever
    lost a parent is our child now, and whoever did not has an ancestor that is."""
    if not (_adopts and _waits_here and orphans.is_nobody_adopted()):
        return False
    try:
        os.killpg(ended, 0)
    except ProcessLookupError:
        return True
    return False


def _bury() -> None:
    """Take leave of orphans that have ended. Only of those that were dead at the sweep before:
    a child that somebody here waits for is not dead that long."""
    global _zombies
    if not _adopts:
        return
    dead = {pid for pid, state in (orphans.adopted() or {}).items() if state == "Z"}
    for pid in dead & _zombies:
        with orphans.counting, suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    _zombies = dead


def launched(argv: Sequence[str]) -> list[str]:
    launcher = _launcher()
    return [launcher, "--pdeathsig", "KILL", "--", *argv] if launcher else list(argv)


@cache
def _launcher() -> str | None:
    """setpriv of util-linux asks the kernel to kill the script when we die. Without it a script
    that outlives its agent is killed when the agent is back."""
    return shutil.which("setpriv") if sys.platform == "linux" else None


def _must_be_a_program(path: str) -> None:
    # With a launcher between, the system would tell the launcher and not us; and the launcher
    # would try to read what is for another kind of machine as a shell script.
    found = shutil.which(path)
    if found is None:
        raise FileNotFoundError(f"{path} is not there, or is not a program")
    kind = _kind_of_machine(Path(found))
    if kind and kind != _our_kind_of_machine():
        raise OSError(f"{path} is a program for another kind of machine")


@cache
def _our_kind_of_machine() -> bytes:
    return _kind_of_machine(Path(sys.executable))


def _kind_of_machine(program: Path) -> bytes:
    """Word size, byte order and processor of an ELF file (elf(5)); of another file, nothing."""
    with program.open("rb") as file:
        header = file.read(20)
    return header[4:6] + header[18:20] if header.startswith(b"\x7fELF") else b""


def _restrain(pid: int) -> None:
    if sys.platform != "linux":
        return
    import resource

    with suppress(OSError):  # it has ended, or may not be restrained here
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))  # a core holds secrets
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(KILLED_BEFORE_US), encoding="ascii")
