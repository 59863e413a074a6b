"""The agent as a service of systemd, by `systemctl`."""

import os
import re
import subprocess
import sys
from pathlib import Path

from robot_agent.service import tools, units
from robot_agent.service.plan import Plan
from robot_agent.service.tools import Places, State

UNITS = Path("/etc/systemd/system")
SETTINGS = Path("/etc/runwright")
AT_WORK = Path("/run/systemd/system")  # as sd_booted(3) has it
OLDEST = 236  # StandardInput=file:
NEWS = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "StatusText")


def key_file(service: str) -> Path:
    return SETTINGS / f"{service}.key"


def environment_file(service: str) -> Path:
    return SETTINGS / f"{service}.env"


def places(service: str, needs_desktop: bool) -> Places:
    state = Path("/var/lib") / service
    return Places(state, key_file(service), "runwright", environment_file(service))


def may(plan: Plan) -> None:
    if plan.needs_desktop:
        raise tools.failed("A service has no desktop: let the session of its user start "
                           "`robot-agent run`, as its autostart.")  # fmt: skip
    tools.must_be_root("install a service")
    said = tools.attempt("systemctl", "--version").stdout
    found = re.match(r"systemd (\d+)", said)
    if found is None or not AT_WORK.is_dir():
        raise tools.failed("This system was not started by systemd: run `robot-agent run` as its "
                           "own service manager wants it.")  # fmt: skip
    if int(found[1]) < OLDEST:
        raise tools.failed(f"systemd is {found[1]} here, and {OLDEST} is needed to keep the key.")


def prepare(plan: Plan) -> None:
    _make_user(plan.user)
    if not _can(plan.user, str(plan.python), "-P", "-m", "robot_agent", "--version"):
        raise tools.failed(
            f"User {plan.user} cannot run {plan.python}: install Runwright where every user may "
            "read it, as in /opt, and not in somebody's home."
        )
    if plan.ca_file is not None and not _can(plan.user, "test", "-r", str(plan.ca_file)):
        raise tools.failed(f"User {plan.user} cannot read {plan.ca_file}: let others read it.")
    _make_data(plan)


def install(plan: Plan, key: str) -> None:
    tools.write(key_file(plan.service), key + "\n", 0o600)
    if not environment_file(plan.service).exists():  # else it may have changes of the operator
        text = units.environment_file(plan.variables)
        tools.write(environment_file(plan.service), text, 0o600)
    tools.write(UNITS / f"{plan.service}.service", units.systemd(plan), 0o644)
    tools.run("systemctl", "daemon-reload")
    tools.run("systemctl", "enable", plan.service)
    # Not until it is ready: whoever installs it is told what happens meanwhile.
    tools.run("systemctl", "restart", "--no-block", plan.service)


def uninstall(service: str) -> None:
    tools.must_be_root("remove a service")
    tools.run("systemctl", "disable", "--now", service, seconds=None)
    tools.remove(UNITS / f"{service}.service", key_file(service), environment_file(service))
    tools.run("systemctl", "daemon-reload")


def start(service: str) -> None:
    tools.must_be_root("start a service")
    tools.run("systemctl", "reset-failed", service)
    tools.run("systemctl", "start", "--no-block", service)


def stop(service: str) -> None:
    tools.must_be_root("stop a service")
    tools.run("systemctl", "stop", service, seconds=None)


def state(service: str) -> State:
    said = tools.run("systemctl", "show", service, "--property", ",".join(NEWS))
    news = dict(line.partition("=")[::2] for line in said.splitlines())
    if news.get("LoadState") == "not-found":
        return State(installed=False, sentence=f"There is no service {service}.")
    status = int(news.get("ExecMainStatus") or 0)
    active = news.get("ActiveState", "unknown")
    running = active in ("active", "activating") and news.get("SubState") != "auto-restart"
    words = [f"{service} is {active} ({news.get('SubState')})."]
    if running and news.get("StatusText"):
        words.append(news["StatusText"])
    if not running and status:
        words.append(f"The agent ended with status {status} ({news.get('Result')}).")
    return State(
        installed=True,
        running=running,
        exit_status=None if running else status,
        sentence=" ".join(words),
    )


def last_words(service: str) -> str:
    said = tools.attempt("journalctl", "-u", service, "-n", "5", "--no-pager", "-o", "cat")
    return said.stdout.strip()


def _make_user(name: str) -> None:
    if tools.attempt("id", "-u", name).returncode == 0:
        return
    tools.run("useradd", "--system", "--user-group", "--no-create-home",
              "--home-dir", f"/var/lib/{name}", "--shell", "/usr/sbin/nologin", name)  # fmt: skip


def _can(user: str, *command: str) -> bool:
    """Whether that command works for the user, as the unit will start it: with nothing of ours."""
    if sys.platform == "win32":
        return False
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            command, user=user, group=_group(user), extra_groups=[], cwd="/",
            env={"PATH": os.defpath}, capture_output=True, timeout=tools.PATIENCE_SECONDS,
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0


def _group(user: str) -> int:
    return int(tools.run("id", "-g", user))


def _make_data(plan: Plan) -> None:
    """systemd makes its own StateDirectory; another folder is ours to make."""
    folder = Path(plan.data)
    if folder == Path("/var/lib") / plan.service:
        return
    if not folder.exists():
        group = str(_group(plan.user))
        tools.run("install", "-d", "-m", "0700", "-o", plan.user, "-g", group, str(folder))
        return
    owner = tools.run("stat", "-c", "%U", str(folder)).strip()
    if owner != plan.user:
        raise tools.failed(
            f"{folder} belongs to {owner}, not to {plan.user}: chown it, or choose another --data."
        )
