"""What the three service managers have in common."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from robot_agent.exits import AgentExit, Status
from robot_agent.service.plan import Plan

PATIENCE_SECONDS = 60.0


class State(msgspec.Struct, frozen=True, kw_only=True):
    installed: bool
    running: bool = False
    exit_status: int | None = None  # of the agent, if it has ended
    sentence: str


class Places(NamedTuple):
    """Where a service has its things, if nobody says otherwise."""

    data: Path
    key: Path
    user: str
    environment: Path | None = None


class Manager(Protocol):
    """Each raises AgentExit with a sentence of its own where it cannot do what it is asked to."""

    def places(self, service: str, needs_desktop: bool) -> Places: ...

    def may(self, plan: Plan) -> None:
        """Whether a service can be made here, and by us."""

    def prepare(self, plan: Plan) -> None:
        """Make what must be there before it: its user, its folder."""

    def install(self, plan: Plan, key: str) -> None:
        """Write it, so that it starts with the system; and start it."""

    def uninstall(self, service: str) -> None: ...

    def start(self, service: str) -> None: ...

    def stop(self, service: str) -> None:
        """Let its jobs end, and return when it has."""

    def state(self, service: str) -> State: ...

    def last_words(self, service: str) -> str:
        """What it said before it ended, as far as that is known."""


def run(*command: str, seconds: float | None = PATIENCE_SECONDS) -> str:
    """What it prints. AgentExit, with what it says, if it fails."""
    done = attempt(*command, seconds=seconds)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or f"status {done.returncode}"
        raise failed(f"`{' '.join(command[:3])}` failed: {said}")
    return done.stdout


def attempt(
    *command: str, seconds: float | None = PATIENCE_SECONDS
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 -- tools of the system, with our own words
            command, capture_output=True, text=True, errors="replace", timeout=seconds
        )
    except FileNotFoundError as error:
        raise failed(f"There is no {command[0]} on this machine.") from error
    except subprocess.TimeoutExpired as error:
        said = f"`{' '.join(command[:3])}` was not done within {seconds:g} s."
        raise failed(said) from error


def write(file: Path, content: str | bytes, mode: int) -> None:
    """Never readable by more than `mode` says, and never half."""
    beside = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)
        beside.replace(file)
    except OSError as error:
        raise failed(f"{file} cannot be written: {error.strerror}.") from error


def remove(*files: Path) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def user_id() -> int:
    if sys.platform == "win32":
        return -1
    return os.geteuid()


def must_be_root(deed: str) -> None:
    if user_id() != 0:
        raise failed(f"Only root may {deed}: use sudo.")


def failed(sentence: str) -> AgentExit:
    return AgentExit(Status.CONFIG, sentence)
