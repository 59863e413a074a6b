"""The agent on Windows: a task that starts at sign-in, which has the user's desktop; or a service,
which has none.

Written from the documentation of schtasks.exe, sc.exe and icacls.exe. No test of ours has run it
on Windows.
"""

import ctypes
import getpass
import os
import re
import sys
import time
from pathlib import Path

from robot_agent import config, data_folder
from robot_agent.service import tools, units
from robot_agent.service.plan import Plan
from robot_agent.service.tools import Places, State

NOT_THERE = 1060  # ERROR_SERVICE_DOES_NOT_EXIST
LOOK_SECONDS = 1.0
STOPPED_SECONDS = 3700.0


def places(service: str, needs_desktop: bool) -> Places:
    if needs_desktop:
        data = config.default_data()
        return Places(data=data, key=data / "machine.key", user=getpass.getuser())
    data = folder_of(service)
    return Places(data=data, key=data / "machine.key", user=rf"NT SERVICE\{service}")


def folder_of(service: str) -> Path:
    """Of a service; a task works in its user's own folder."""
    return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "Runwright" / service


def may(plan: Plan) -> None:
    if not plan.needs_desktop and not _is_administrator():
        raise tools.failed("Only an administrator may install a service: open a prompt as one.")


def prepare(plan: Plan) -> None:
    Path(plan.data).mkdir(parents=True, exist_ok=True)


def install(plan: Plan, key: str) -> None:
    if plan.needs_desktop:
        _install_task(plan, key)
        return
    _install_service(plan, key)


def _install_task(plan: Plan, key: str) -> None:
    _write_key(Path(plan.key), key, plan.user)
    description = Path(plan.data) / "task.xml"
    tools.write(description, units.windows_task(plan).encode("utf-16"), 0o600)
    try:
        tools.run("schtasks.exe", "/Create", "/F", "/TN", plan.service, "/XML", str(description))
    finally:
        tools.remove(description)
    tools.run("schtasks.exe", "/Run", "/TN", plan.service)


def _install_service(plan: Plan, key: str) -> None:
    account = plan.user  # NT SERVICE\..., which Windows makes with the service, without a password
    command = units.windows_service(plan)
    if _has_service(plan.service):
        stop(plan.service)
        tools.run("sc.exe", "config", plan.service, "binPath=", command)
    else:
        tools.run("sc.exe", "create", plan.service, "binPath=", command, "start=", "delayed-auto",
                  "obj=", account, "DisplayName=", "Runwright robot agent")  # fmt: skip
    again = "/".join(["restart/10000"] * 3)
    tools.run("sc.exe", "failure", plan.service, "reset=", "86400", "actions=", again)
    tools.run("sc.exe", "failureflag", plan.service, "1")  # a status that is not 0 counts, too
    tools.run("icacls.exe", str(plan.data), "/inheritance:r", "/grant", f"{account}:(OI)(CI)F",
              "*S-1-5-18:(OI)(CI)F", "*S-1-5-32-544:(OI)(CI)F")  # fmt: skip
    _write_key(Path(plan.key), key, account)
    start(plan.service)


def uninstall(service: str) -> None:
    is_service = _has_service(service)
    stop(service)
    if is_service:
        tools.run("sc.exe", "delete", service)
        tools.remove(folder_of(service) / "machine.key")
    else:
        data = _data_of_task(service)
        tools.run("schtasks.exe", "/Delete", "/F", "/TN", service)
        tools.remove((data or config.default_data()) / "machine.key")


def start(service: str) -> None:
    if _has_service(service):
        tools.run("sc.exe", "start", service)
        return
    tools.run("schtasks.exe", "/Change", "/TN", service, "/ENABLE")
    tools.run("schtasks.exe", "/Run", "/TN", service)


def stop(service: str) -> None:
    """A task cannot be asked to end, only be ended: so it is drained first."""
    if _has_service(service):
        tools.attempt("sc.exe", "stop", service)
        _until_stopped(service)
        return
    tools.run("schtasks.exe", "/Change", "/TN", service, "/DISABLE")
    data = _data_of_task(service)
    if data is not None and data_folder.is_in_use(data):
        data_folder.drain_file(data).touch()
        until = time.monotonic() + STOPPED_SECONDS
        while data_folder.is_in_use(data) and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
    tools.attempt("schtasks.exe", "/End", "/TN", service)


def state(service: str) -> State:
    said = tools.attempt("sc.exe", "query", service)
    if said.returncode == 0:
        running = re.search(r"STATE\s*:\s*[24]\b", said.stdout) is not None  # starting, running
        ended = re.search(r"EXIT_CODE\s*:\s*(\d+).*\n.*EXIT_CODE\s*:\s*(\d+)", said.stdout)
        status = int(ended[2]) if ended and not running else None
        return _state(service, running, status)
    said = tools.attempt("schtasks.exe", "/Query", "/TN", service, "/FO", "CSV", "/V", "/NH")
    if said.returncode != 0:
        return State(installed=False, sentence=f"There is no service and no task {service}.")
    data = _data_of_task(service)  # its state is told in the system's language
    return _state(service, data is not None and data_folder.is_in_use(data), None)


def last_words(service: str) -> str:
    return ""


def _state(service: str, running: bool, status: int | None) -> State:
    words = f"{service} is {'running' if running else 'not running'}."
    if status:
        words += f" The agent ended with status {status}."
    return State(installed=True, running=running, exit_status=status, sentence=words)


def _until_stopped(service: str) -> None:
    until = time.monotonic() + STOPPED_SECONDS
    while state(service).running:
        if time.monotonic() >= until:
            raise tools.failed(f"{service} has not stopped; it still finishes a job.")
        time.sleep(LOOK_SECONDS)


def _has_service(service: str) -> bool:
    return tools.attempt("sc.exe", "query", service).returncode != NOT_THERE


def _data_of_task(service: str) -> Path | None:
    said = tools.attempt("schtasks.exe", "/Query", "/TN", service, "/XML").stdout
    found = re.search(r"--data (?:\"([^\"]+)\"|(\S+))", said.replace("&quot;", '"'))
    return Path(found[1] or found[2]) if found else None


def _write_key(file: Path, key: str, account: str) -> None:
    tools.write(file, key + "\n", 0o600)
    tools.run("icacls.exe", str(file), "/inheritance:r", "/grant", f"{account}:R",
              "*S-1-5-18:F", "*S-1-5-32-544:F")  # fmt: skip


def _is_administrator() -> bool:
    return sys.platform == "win32" and bool(ctypes.windll.shell32.IsUserAnAdmin())
