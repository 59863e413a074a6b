"""Writes what the service managers read, from one plan. Pure: text in, text out."""

import plistlib
import re
import subprocess
from pathlib import PurePath
from xml.sax.saxutils import escape

from robot_agent.exits import Status
from robot_agent.service.plan import Plan, refused

RESTART_SECONDS = 10
WATCHDOG_SECONDS = 120
LABEL = "io.runwright."  # launchd's names are domains backwards
# A restart fixes none of these: an operator must act. 0: it was drained on purpose.
FINAL = (0, Status.FOLDER_IN_USE, Status.KEY_REFUSED, Status.CONFIG)


_SYSTEMD = """\
# Written by `robot-agent service install`, which overwrites it. Make your own changes with
# `systemctl edit {service}`.
[Unit]
Description=Runwright robot agent
Wants=network-online.target
# No default dependencies: with them, the boot would wait until the server has answered.
DefaultDependencies=no
After=sysinit.target basic.target network-online.target
Conflicts=shutdown.target
Before=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
# systemd opens the key before it changes to the user, who cannot read the file.
StandardInput=file:{key}
User={user}
{state}{variables}UMask=0077
# The agent is ready once it is registered, however long the server is unreachable.
TimeoutStartSec=infinity
WatchdogSec={watchdog_seconds}
Restart=always
RestartSec={restart_seconds}
# Restarting does not help for: drained (0), folder in use (73), key refused (77), wrong
# configuration (78).
RestartPreventExitStatus={final}
# SIGTERM goes to the agent alone. It waits {finish_minutes} minutes for its jobs, then stops and
# reports them. Processes that remain after TimeoutStopSec are killed.
KillMode=mixed
TimeoutStopSec={stop_seconds}
NoNewPrivileges=yes
ProtectSystem=full
# Scripts exchange files with other programs in /tmp.
PrivateTmp=no

[Install]
WantedBy=multi-user.target
"""


def systemd(plan: Plan) -> str:
    own_state = str(plan.data) == f"/var/lib/{plan.service}"
    # %S is systemd's own, so it is put in after the other words are escaped.
    words = [_systemd_word(word) for word in plan.command(("--machine-key-fd", "0"), "DATA")]
    words[words.index("DATA")] = (
        f"%S/{plan.service}" if own_state else _systemd_word(str(plan.data))
    )
    mode = "0711" if plan.is_passable else "0700"
    state = f"StateDirectory={plan.service}\nStateDirectoryMode={mode}\n" if own_state else ""
    variables = f"EnvironmentFile=-{_systemd_value(plan.environment)}\n" if plan.environment else ""
    return _SYSTEMD.format(
        service=plan.service,
        command=" ".join(words),
        user=_systemd_value(plan.user),
        state=state,
        key=_systemd_value(plan.key),
        variables=variables,
        watchdog_seconds=WATCHDOG_SECONDS,
        restart_seconds=RESTART_SECONDS,
        final=" ".join(str(int(status)) for status in FINAL),
        finish_minutes=plan.finish_minutes,
        stop_seconds=plan.stop_seconds,
    )


def _systemd_value(value: str | PurePath) -> str:
    """A value that takes the rest of its line: systemd expands `%` (systemd.unit(5),
    "Specifiers"), joins a line that ends in a backslash with the next, and strips blanks."""
    text = str(value)
    if text != text.strip() or text.endswith("\\"):
        raise refused(f"{text!r} begins or ends with a blank, or ends with a backslash.")
    return text.replace("%", "%%")


def _systemd_word(word: str) -> str:
    """As in systemd.service(5), "Command lines", and systemd.unit(5), "Specifiers"."""
    word = word.replace("%", "%%").replace("$", "$$")
    if word and not set(word) & set(" \t\"';\\"):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment_file(variables: dict[str, str]) -> str:
    """As in systemd.exec(5), "EnvironmentFile"."""
    lines = ["# Variables of the service, as for a proxy: NAME=value. Read at each start."]
    for name, value in sorted(variables.items()):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        quoted = quoted.replace("$", "\\$").replace("`", "\\`")
        lines.append(f'{name}="{quoted}"')
    return "\n".join(lines) + "\n"


def launchd(plan: Plan) -> bytes:
    """A daemon, with a user of its own; or an agent of the one who is at the screen."""
    log = f"/Library/Logs/{plan.service}.log"
    if plan.needs_desktop:
        log = str(plan.data / "agent.log")
    described: dict[str, object] = {
        "Label": LABEL + plan.service,
        "ProgramArguments": plan.command(),
        "RunAtLoad": True,
        # Drained (0) is meant; launchd cannot tell the other statuses apart, so it goes slowly.
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 60,
        "ExitTimeOut": plan.stop_seconds,
        "ProcessType": "Interactive",  # not slowed down, as what works in the background is
        "Umask": 0o077,
        "StandardOutPath": log,
        "StandardErrorPath": log,
        "EnvironmentVariables": plan.variables,
    }
    if plan.needs_desktop:
        described["LimitLoadToSessionType"] = "Aqua"
    else:
        described["UserName"] = plan.user
    return plistlib.dumps(described, sort_keys=True)


_WINDOWS_TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.4" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Runwright robot agent</Description>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
      <Repetition>
        <Interval>PT5M</Interval>
      </Repetition>
    </LogonTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""


def windows_task(plan: Plan) -> str:
    """A task that starts when its user signs in, and thus has their desktop.

    Every five minutes it is started again should it have ended: "restart on failure" is about
    programs that cannot be started, not about those that end with a status.

    https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema
    """
    program, *arguments = plan.command()
    for word in (program, *arguments):
        _must_stay_as_it_is(word, r"%[^%]+%|\$\(")
    return _WINDOWS_TASK.format(
        user=escape(plan.user),
        program=escape(program),
        arguments=escape(subprocess.list2cmdline(arguments)),
    )


def windows_service(plan: Plan) -> str:
    """The command line of a service: Python, with the part that talks with the service manager."""
    command = plan.command()
    for word in command:
        _must_stay_as_it_is(word, r"%[^%]+%")
    at = command.index("robot_agent")
    command[at : at + 1] = ["robot_agent.service.windows_host", plan.service]
    return subprocess.list2cmdline(command)


def _must_stay_as_it_is(word: str, expanded: str) -> None:
    """Neither the service manager nor the task scheduler has an escape for what it expands."""
    if found := re.search(expanded, word):
        raise refused(f"Windows would expand {found[0]!r} in {word!r}: choose another value.")
