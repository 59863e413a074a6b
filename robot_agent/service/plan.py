"""What a service runs, as whom and where: the same for each service manager. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePath

from robot_agent.exits import AgentExit, Status

MARGIN_SECONDS = 90  # for the last report, after the jobs have ended or were ended
_CONTROL = ("Cc", "Zl", "Zp", "Cs")  # Unicode's controls, line ends, and halves of characters
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}", re.ASCII)
_USER = re.compile(r"[^-\s/:][^/:]*")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the service runs. AgentExit if a text has a line break or another control character,
    which would become a line of its own in what the service manager reads."""

    service: str = "runwright-agent"
    python: PurePath
    arguments: tuple[str, ...]  # of `robot-agent run`, but for the key, the data and the end
    data: PurePath
    key: PurePath  # where the service's copy of the key is kept
    user: str = "runwright"
    is_passable: bool = False  # scripts have accounts of their own, which reach their jobs
    environment: PurePath | None = None  # a file of variables, as for a proxy
    variables: dict[str, str] = field(default_factory=dict)  # the same, where there are no files
    finish_minutes: int = 10
    needs_desktop: bool = False
    ca_file: PurePath | None = None

    def __post_init__(self) -> None:
        for name, text in self._texts():
            if any(unicodedata.category(character) in _CONTROL for character in text):
                raise refused(f"{name} has a line break or control character: {text!r}.")
        checked_name(self.service)
        if not _USER.fullmatch(self.user):
            raise refused(f"--user {self.user!r} is not a user name.")

    def _texts(self) -> Iterator[tuple[str, str]]:
        places = {"--data": self.data, "--machine-key-file": self.key, "--ca-file": self.ca_file}
        yield from {"--service": self.service, "--user": self.user}.items()
        yield from ((name, str(place)) for name, place in places.items() if place is not None)
        yield "The path of Python", str(self.python)
        for before, word in pairwise(("An argument", *self.arguments)):
            yield before if before.startswith("--") else "An argument", word
        yield from self.variables.items()

    @property
    def stop_seconds(self) -> int:
        return self.finish_minutes * 60 + MARGIN_SECONDS

    def command(self, key: tuple[str, str] | None = None, data: str | None = None) -> list[str]:
        return [
            str(self.python),
            "-P",  # modules are those that are installed, not what lies in the current folder
            "-m",
            "robot_agent",
            "run",
            *self.arguments,
            *("--finish-minutes", str(self.finish_minutes)),
            *("--data", data or str(self.data)),
            *(key or ("--machine-key-file", str(self.key))),
        ]


def checked_name(service: str) -> str:
    """It becomes a part of the names of files. AgentExit if it is no name of a service."""
    if not _NAME.fullmatch(service):
        raise refused(
            f"--service {service!r} is not a service name: use letters, digits, '-', '_' and '.'."
        )
    return service


def refused(sentence: str) -> AgentExit:
    return AgentExit(Status.CONFIG, sentence)
