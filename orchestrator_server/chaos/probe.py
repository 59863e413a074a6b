"""The script that `orchestrator chaos` runs: notes that it was started, then behaves as it is told.

Standard library alone; it is packed and published, and never imported.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

asked = json.loads(Path(os.environ["RUNWRIGHT_PARAMETERS"]).read_text(encoding="utf-8"))
fence = os.environ["RUNWRIGHT_FENCE"]
folder = Path(asked["effects"])


HIDE = (
    "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], start_new_session=True, "
    "env={}, stdout=subprocess.DEVNULL).pid)"
)


def note(what: str, pid: int = os.getpid()) -> None:
    with (folder / "effects").open("a", encoding="ascii") as file:
        file.write(f"{what} {fence} {pid}\n")


def say(content: bytes) -> None:
    """Print it, and keep a copy of what was printed."""
    with (folder / f"{fence}.printed").open("ab") as copy:
        copy.write(content)
        copy.flush()
        os.write(1, content)


def wait() -> None:
    while not (folder / "go").exists():
        time.sleep(0.02)


def deaf() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("deaf")
    wait()


def family() -> None:
    """A child, a child in a session of its own, and one whose parent is gone, without a trace of
    where it comes from."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    subprocess.Popen(sleep)
    subprocess.Popen(sleep, start_new_session=True)
    hidden = subprocess.run(
        [sys.executable, "-c", HIDE, *sleep], stdout=subprocess.PIPE, check=True, text=True
    )
    note("hidden", int(hidden.stdout))
    note("family")
    if asked.get("linger"):
        wait()


def bomb() -> None:
    """Multiply, within bounds."""
    for _ in range(asked["processes"]):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    wait()


def flood() -> None:
    line = b"x" * 65535 + b"\n"
    for _ in range(asked["mib"] * 16):
        os.write(1, line)


def raw() -> None:
    say(bytes(range(256)) * 64 + b"\x1b[31m\r\r\r\0no end of line")


def large_result() -> None:
    with Path(os.environ["RUNWRIGHT_RESULT"]).open("wb") as file:
        for _ in range(asked["mib"]):
            file.write(b"[" * 1024 * 1024)


def kill_agent() -> None:
    """Its parent; of a warm start, which has a parent between, its parent's."""
    agent = os.getppid()
    if b"parent.py" in Path(f"/proc/{agent}/cmdline").read_bytes():
        agent = int(Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(agent, signal.SIGKILL)
    time.sleep(60)


def stop_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def quick() -> None:
    say(b"hello\n")


def lines() -> None:
    for number in range(asked.get("lines", 200)):
        say(f"line {number} of {fence}\n".encode())
        time.sleep(asked.get("pause", 0.01))


note("started")
globals()[asked.get("do", "quick")]()
note("finished")
if asked.get("do") != "large_result":
    Path(os.environ["RUNWRIGHT_RESULT"]).write_text(json.dumps({"fence": fence}), encoding="utf-8")
