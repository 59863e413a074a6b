"""Whose an environment is, where scripts have accounts of their own (`--run-as`).

Build backends are code of packages, so an environment is built by the account of its scripts; then
it becomes the agent's, so that scripts can read it and not change it. Until then, what the agent
itself does in it, it does with the rights of that account: a link leads nowhere else.
"""

import ctypes
import functools
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sdk.private_folder import PASSABLE
from sdk.running.launch import Account, Launch, of_helpers

READABLE_UMASK = 0o022
ROOMS = "rooms.part"  # thrown away at the next start, as all that ends so
_FOR_ALL = 0o755

P = ParamSpec("P")
T = TypeVar("T")


def lay_out(launch: Launch, folder: Path, cache: Path) -> None:
    """The folder of environments, as the account needs it; the cache is the account's own."""
    if launch.account is None:
        return
    launch.give(cache)
    folder.chmod(PASSABLE)
    for place, _, files in os.walk(folder / "runtime"):
        Path(place).chmod(_FOR_ALL)
        for name in files:
            Path(place, name).chmod(0o644)


def make(folder: Path) -> None:
    """The folder of an environment that is to be built, if that is the account's."""
    launch = of_helpers()
    if launch.account is not None:
        folder.mkdir(mode=0o700)
        launch.give(folder)


def room_in(place: Path) -> Path:
    """Where what builds may make folders: an account cannot, among the environments."""
    launch = of_helpers()
    if launch.account is None:
        return place
    room = place / ROOMS
    if not room.exists():
        room.mkdir(mode=0o700)
        launch.give(room)
    return room


@contextmanager
def temporary(prefix: str, place: Path) -> Iterator[Path]:
    """A folder for what builds, for a while."""
    room = _new_folder(prefix, room_in(place))
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def variables(launch: Launch) -> dict[str, str]:
    """For a program that builds: a script could not keep what it has compiled."""
    return {} if launch.account is None else {**launch.variables(), "UV_COMPILE_BYTECODE": "1"}


def options(launch: Launch) -> dict[str, Any]:
    """For a program that builds: what it writes is for this account alone, or for all to read."""
    if launch.account is None:
        return {}
    return launch.options() | {"umask": READABLE_UMASK, "start_new_session": True}


def end_helpers(launch: Launch, session: int) -> None:
    """What a build has left in its session could still change what was built."""
    if launch.account is not None and sys.platform != "win32":
        with suppress(ProcessLookupError):
            os.killpg(session, signal.SIGKILL)


def take(launch: Launch, folder: Path) -> None:
    """Make what was built the agent's own, for the scripts to read.

    Each file is changed by a descriptor that is opened without following a link, and none that
    has another name somewhere, or is not of the account. OSError if there is one.
    """
    if launch.account is None or sys.platform == "win32":
        return
    os.chown(folder, 0, 0, follow_symlinks=False)  # the top first: no way in is left
    folder.chmod(0o700)
    for _, folders, files, at in os.fwalk(folder):
        for name in (*folders, *files):
            _take_one(name, at, launch.account)
    folder.chmod(_FOR_ALL)


def _take_one(name: str, at: int, account: Account) -> None:
    if sys.platform == "win32":
        return
    if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
        os.chown(name, 0, 0, dir_fd=at, follow_symlinks=False)
        return
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    try:
        found = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(found.st_mode)
        is_plain = is_folder or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
        if not is_plain or found.st_uid not in (account.user_id, 0):
            raise OSError(f"it has a file that is no file of its own: {name}")
        os.fchown(descriptor, 0, 0)
        readable = 0o555 if is_folder or found.st_mode & stat.S_IXUSR else 0o444
        os.fchmod(descriptor, (stat.S_IMODE(found.st_mode) | readable) & _FOR_ALL)
    finally:
        os.close(descriptor)


def as_helper(work: Callable[P, T]) -> Callable[P, T]:
    """Do this with the rights of the account that helpers have, on files alone."""

    @functools.wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        with _files_as(of_helpers().account):
            return work(*args, **kwargs)

    return done


@contextmanager
def _files_as(account: Account | None) -> Iterator[None]:
    """This thread's rights to files are those of the account (setfsuid(2)); not to be held over an
    `await`."""
    if account is None or sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsgid(account.group_id)
    libc.setfsuid(account.user_id)
    try:
        if libc.setfsuid(-1) != account.user_id:
            raise PermissionError("The rights of the account cannot be taken on.")
        yield
    finally:
        libc.setfsuid(os.geteuid())
        libc.setfsgid(os.getegid())


@as_helper
def _new_folder(prefix: str, place: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=place))
