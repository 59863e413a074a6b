"""The accounts that scripts run as, one for each robot (`--run-as`): so scripts reach neither the
agent nor each other."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from robot_agent import warm
from robot_agent.config import Config
from robot_agent.environments import pythons, uv
from robot_agent.exits import AgentExit, JobFailed, Status
from sdk.running.launch import Account, Launch

PATIENCE_SECONDS = 60.0
WARM_PARENT = Path(warm.__file__).with_name("parent.py")
# Its arguments: a file that must be readable, a program, and a folder that must be reachable.
_PROBE = "import os, sys; open(sys.argv[1]).close(); os.stat(sys.argv[2]); os.stat(sys.argv[3])"


def accounts(config: Config) -> list[Account]:
    """In the order of the robots; none if nothing is said. AgentExit if it cannot be done here."""
    names = [name.strip() for name in config.run_as.split(",") if name.strip()]
    if not names:
        return []
    if sys.platform != "linux":
        raise _wrong("--run-as works on Linux only.")
    if os.geteuid() != 0:
        raise _wrong("--run-as needs an agent that is started as root.")
    return _one_for_each(config.robots, [_account(name) for name in names])


def _one_for_each(robots: int, found: list[Account]) -> list[Account]:
    if len({account.user_id for account in found}) < len(found):
        raise _wrong("--run-as names an account twice: each robot needs an account of its own.")
    if len(found) != robots:
        raise _wrong(
            f"--run-as names {len(found)} accounts for {robots} robots: name one for each, because "
            "scripts of the same account can reach each other."
        )
    return found


def check(wanted: Sequence[Account], environments: Path) -> None:
    """AgentExit if an account cannot run Python, or reach the folder of its environments."""
    for account in wanted:
        if why := _hindrance(account, environments):
            raise _wrong(f"User {account.name}, of --run-as, {why}")


def _hindrance(account: Account, environments: Path) -> str:
    try:
        program = uv.program()
    except JobFailed as error:
        return f"needs uv: {error}"
    command = [str(pythons.OWN), "-I", "-c", _PROBE, str(WARM_PARENT), program, str(environments)]
    advice = "install Runwright and Python where every user may read them, as in /opt."
    try:
        done = subprocess.run(  # noqa: S603 -- our own words
            command, cwd="/", env={"PATH": os.defpath}, capture_output=True, text=True,
            timeout=PATIENCE_SECONDS, **Launch(account=account).options(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot run {pythons.OWN} ({error}): {advice}"
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().rpartition("\n")[2]
    if str(environments) in said:
        return (
            f"cannot reach {environments} ({said}): choose a --data below folders that others may "
            "pass, as /var/lib/runwright-agent."
        )
    return f"cannot use this installation ({said}): {advice}"


def _account(name: str) -> Account:
    if sys.platform == "win32":
        raise _wrong("There are no such accounts here.")
    import pwd

    try:
        entry = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError as error:
        raise _wrong(f"--run-as: there is no user {name} on this machine.") from error
    if entry.pw_uid == 0:
        raise _wrong("--run-as names root, as which no script is run: name another user.")
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    if 0 in groups:
        raise _wrong(f"--run-as names {name}, who is in root's group (0): name another user.")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def _wrong(sentence: str) -> AgentExit:
    return AgentExit(Status.CONFIG, sentence)
