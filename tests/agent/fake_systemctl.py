"""Stands in for `systemctl`: starts and stops what a unit says, with real processes.

Run as a program; SYSTEMCTL_HOME holds the units and what it keeps.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["SYSTEMCTL_HOME"])


def main(verb, *rest):
    services = [word for word in rest if not word.startswith("-")]
    with (HOME / "asked").open("a") as file:
        file.write(" ".join([verb, *rest]) + "\n")
    if verb == "--version":
        print(os.environ.get("SYSTEMCTL_VERSION", "systemd 252 (252.38)"))
    elif verb in ("start", "restart"):
        stop(services[0])
        start(services[0])
    elif verb in ("stop", "disable"):
        stop(services[0])
    elif verb == "show":
        show(services[0])


def unit_of(service):
    return HOME / "units" / f"{service}.service"


def start(service):
    said = dict(
        line.split("=", 1) for line in unit_of(service).read_text().splitlines() if "=" in line
    )
    command = said["ExecStart"].replace("%S", str(HOME / "state"))
    # A shell is its parent, and notes how it ends. What runs beside a shell has no input, unless
    # it is given one.
    keeps = 'exec 3<&0; "$@" <&3 3<&- & echo $! > pid; wait $!; echo $? > status'
    (HOME / "status").unlink(missing_ok=True)
    (HOME / "pid").unlink(missing_ok=True)
    key = Path(said["StandardInput"].removeprefix("file:").replace("%%", "%"))
    with (HOME / "log").open("ab") as log, key.open("rb") as opened:
        subprocess.Popen(["sh", "-c", keeps, "sh", *shlex.split(command)], stdin=opened,
                         stdout=log, stderr=log, cwd=HOME, env={"PATH": os.defpath},
                         start_new_session=True)  # fmt: skip
    while not (HOME / "pid").exists() or not (HOME / "pid").read_text().strip():
        time.sleep(0.01)


def is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def stop(service):
    if not (HOME / "pid").exists():
        return
    pid = int((HOME / "pid").read_text())
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    while not is_zombie(pid):
        time.sleep(0.02)


def show(service):
    if not unit_of(service).exists():
        print("LoadState=not-found\nActiveState=inactive\nSubState=dead\nExecMainStatus=0")
        return
    pid = int((HOME / "pid").read_text()) if (HOME / "pid").exists() else 0
    runs = pid and not is_zombie(pid)
    status = (HOME / "status").read_text() if (HOME / "status").exists() else "0"
    print("LoadState=loaded")
    print("ActiveState=active\nSubState=running" if runs else "ActiveState=failed\nSubState=failed")
    print(f"Result=exit-code\nExecMainStatus={0 if runs else status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
