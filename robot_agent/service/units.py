"""What the service managers read, written from one plan. Pure: text in, text out."""

import plistlib
import subprocess
from dataclasses import dataclass, field
from pathlib import PurePath
from xml.sax.saxutils import escape

from robot_agent.exits import Status

RESTART_SECONDS = 10
WATCHDOG_SECONDS = 120
MARGIN_SECONDS = 90  # for the last report, after the jobs have ended or were ended
LABEL = "io.runwright."  # launchd's names are domains backwards
# Starting again helps none of these: somebody must act. 0: it was drained, and that is meant.
FINAL = (0, Status.FOLDER_IN_USE, Status.KEY_REFUSED, Status.CONFIG)


@dataclass(frozen=True, kw_only=True)
class Plan:
    service: str = "runwright-agent"
    python: PurePath
    arguments: tuple[str, ...]  # of `robot-agent run`, but for the key, the data and the end
    data: PurePath
    key: PurePath  # where the service's copy of the key is kept
    user: str = "runwright"
    environment: PurePath | None = None  # a file of variables, as for a proxy
    variables: dict[str, str] = field(default_factory=dict)  # the same, where there are no files
    finish_minutes: int = 10
    needs_desktop: bool = False
    ca_file: PurePath | None = None

    @property
    def stop_seconds(self) -> int:
        return self.finish_minutes * 60 + MARGIN_SECONDS

    def command(self, key: str | None = None, data: str | None = None) -> list[str]:
        return [
            str(self.python),
            "-P",  # modules are those that are installed, not what lies in the current folder
            "-m",
            "robot_agent",
            "run",
            *self.arguments,
            *("--finish-minutes", str(self.finish_minutes)),
            *("--data", data or str(self.data)),
            *("--machine-key-file", key or str(self.key)),
        ]


_SYSTEMD = """\
# Written by `robot-agent service install`, which writes it anew. Changes of your own belong into
# `systemctl edit {service}`.
[Unit]
Description=Runwright robot agent
Wants=network-online.target
# The boot does not wait until a server far away has answered: so no default dependencies, with
# which multi-user.target would come after us.
DefaultDependencies=no
After=sysinit.target basic.target network-online.target
Conflicts=shutdown.target
Before=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
User={user}
{state}LoadCredential=machine-key:{key}
{variables}UMask=0077
# Ready is who is registered, however long the server is away.
TimeoutStartSec=infinity
WatchdogSec={watchdog_seconds}
Restart=always
RestartSec={restart_seconds}
# Drained (0), folder in use (73), key refused (77), configuration (78): a new start helps nothing.
RestartPreventExitStatus={final}
# A stop tells the agent alone: it lets jobs go on for {finish_minutes} minutes, then ends them, and
# reports them. Only what is there still after that is killed, scripts and all.
KillMode=mixed
TimeoutStopSec={stop_seconds}
NoNewPrivileges=yes
ProtectSystem=full
# Scripts share files with other programs of this machine in /tmp.
PrivateTmp=no

[Install]
WantedBy=multi-user.target
"""


def systemd(plan: Plan) -> str:
    state_folder = f"/var/lib/{plan.service}"
    own_state = str(plan.data) == state_folder
    # The words with %, which are systemd's, are put in after the others are escaped.
    words = [_systemd_word(word) for word in plan.command("KEY", "DATA")]
    words[words.index("KEY")] = "%d/machine-key"
    words[words.index("DATA")] = (
        f"%S/{plan.service}" if own_state else _systemd_word(str(plan.data))
    )
    state = f"StateDirectory={plan.service}\nStateDirectoryMode=0700\n" if own_state else ""
    variables = f"EnvironmentFile=-{plan.environment}\n" if plan.environment else ""
    return _SYSTEMD.format(
        service=plan.service,
        command=" ".join(words),
        user=plan.user,
        state=state,
        key=plan.key,
        variables=variables,
        watchdog_seconds=WATCHDOG_SECONDS,
        restart_seconds=RESTART_SECONDS,
        final=" ".join(str(int(status)) for status in FINAL),
        finish_minutes=plan.finish_minutes,
        stop_seconds=plan.stop_seconds,
    )


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
    return _WINDOWS_TASK.format(
        user=escape(plan.user),
        program=escape(program),
        arguments=escape(subprocess.list2cmdline(arguments)),
    )


def windows_service(plan: Plan) -> str:
    """The command line of a service: Python, with the part that talks with the service manager."""
    command = plan.command()
    at = command.index("robot_agent")
    command[at : at + 1] = ["robot_agent.service.windows_host", plan.service]
    return subprocess.list2cmdline(command)
