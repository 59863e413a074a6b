"""The agent as a daemon of launchd, or as an agent of the one who is at the screen.

Written from launchctl(1) and launchd.plist(5). No test of ours has run it on a Mac.
"""

import getpass
import re
import shutil
from pathlib import Path

from robot_agent import config
from robot_agent.service import tools, units
from robot_agent.service.plan import Plan
from robot_agent.service.tools import Places, State

DAEMONS = Path("/Library/LaunchDaemons")
DAEMON_KEYS = Path("/Library/Application Support/Runwright")


def key_file(service: str) -> Path:
    folder = DAEMON_KEYS if tools.user_id() == 0 else Path.home() / ".runwright"
    return folder / f"{service}.key"


def places(service: str, needs_desktop: bool) -> Places:
    if needs_desktop:
        return Places(config.default_data(), key_file(service), getpass.getuser())
    return Places(DAEMON_KEYS / service, key_file(service), "runwright")


def may(plan: Plan) -> None:
    if plan.needs_desktop and tools.user_id() == 0:
        raise tools.failed("An agent with a desktop is installed by its user, without sudo.")
    if not plan.needs_desktop:
        tools.must_be_root("install a daemon")


def prepare(plan: Plan) -> None:
    if plan.needs_desktop:
        Path(plan.data).mkdir(mode=0o700, parents=True, exist_ok=True)  # its log is there
        return
    if tools.attempt("id", "-u", plan.user).returncode != 0:
        raise tools.failed(
            f"There is no user {plan.user}: make one with `sudo sysadminctl -addUser {plan.user} "
            "-roleAccount`, or name another with --user."
        )
    Path(plan.data).mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.chown(plan.data, plan.user)


def install(plan: Plan, key: str) -> None:
    tools.write(Path(plan.key), key + "\n", 0o600)
    if not plan.needs_desktop:
        shutil.chown(plan.key, plan.user)
    tools.attempt("launchctl", "bootout", _target(plan.service))
    tools.write(_plist(plan.service), units.launchd(plan), 0o600)
    start(plan.service)


def uninstall(service: str) -> None:
    if _is_loaded(service):
        stop(service)
    tools.remove(_plist(service), key_file(service))


def start(service: str) -> None:
    if not _is_loaded(service):
        tools.run("launchctl", "bootstrap", _domain(), str(_plist(service)))
    tools.run("launchctl", "kickstart", _target(service))


def stop(service: str) -> None:
    """Its file stays, so it starts again with the system."""
    tools.run("launchctl", "bootout", _target(service), seconds=None)


def state(service: str) -> State:
    if not _plist(service).exists():
        return State(installed=False, sentence=f"There is no service {service}.")
    said = tools.attempt("launchctl", "print", _target(service))
    running = re.search(r"^\s*state = running", said.stdout, re.MULTILINE) is not None
    ended = re.search(r"last exit code = (\d+)", said.stdout)
    status = int(ended[1]) if ended and not running else None
    words = f"{service} is {'running' if running else 'not running'}."
    if status:
        words += f" The agent ended with status {status}."
    return State(installed=True, running=running, exit_status=status, sentence=words)


def last_words(service: str) -> str:
    log = Path(f"/Library/Logs/{service}.log")
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""


def _is_loaded(service: str) -> bool:
    return tools.attempt("launchctl", "print", _target(service)).returncode == 0


def _domain() -> str:
    return "system" if tools.user_id() == 0 else f"gui/{tools.user_id()}"


def _target(service: str) -> str:
    return f"{_domain()}/{units.LABEL}{service}"


def _plist(service: str) -> Path:
    folder = DAEMONS if tools.user_id() == 0 else Path.home() / "Library" / "LaunchAgents"
    return folder / f"{units.LABEL}{service}.plist"
