"""With which umask, and as which account of the system, a script is started."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Account(NamedTuple):
    """Another account than our own, which needs us to be root; on POSIX."""

    name: str
    user_id: int
    group_id: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True)
class Launch:
    umask: int = -1  # -1: as ours is
    account: Account | None = None

    def options(self) -> dict[str, Any]:
        """What `subprocess` is given for it."""
        if self.account is None:
            return {"umask": self.umask}
        return {
            "umask": self.umask,
            "user": self.account.user_id,
            "group": self.account.group_id,
            "extra_groups": list(self.account.groups),
        }

    def variables(self) -> dict[str, str]:
        """What differs in the environment of that account."""
        if self.account is None:
            return {}
        name = self.account.name
        return {"HOME": self.account.home, "USER": name, "LOGNAME": name}

    def give(self, place: int | Path) -> None:
        """Let the account have a file that we opened, or a folder that we made and that nobody
        else can reach or change yet."""
        if self.account is not None and sys.platform != "win32":
            os.chown(place, self.account.user_id, self.account.group_id)

    def give_tree(self, folder: Path) -> None:
        """Let the account have a tree, the top last: until then, none of its processes gets in."""
        if self.account is None or sys.platform == "win32":
            return
        ids = self.account.user_id, self.account.group_id
        for _, folders, files, at in os.fwalk(folder, topdown=False):
            for name in (*folders, *files):
                os.chown(name, *ids, dir_fd=at, follow_symlinks=False)
        os.chown(folder, *ids, follow_symlinks=False)


SAME = Launch()
_helpers: ContextVar[Launch] = ContextVar("_helpers", default=SAME)


@contextmanager
def helpers_as(launch: Launch) -> Iterator[None]:
    """Programs that run code of packages, such as build backends, are started so meanwhile, also
    by tasks and threads that begin meanwhile."""
    token = _helpers.set(launch)
    try:
        yield
    finally:
        _helpers.reset(token)


def of_helpers() -> Launch:
    return _helpers.get()
