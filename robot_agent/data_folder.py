"""The folder an agent lives in, and the lock that keeps a second agent out of it."""

import logging
import os
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot_agent.exits import AgentExit, Status
from robot_agent.journal import Journal
from robot_agent.reserve import Reserve
from sdk import private_folder
from sdk.private_folder import PASSABLE, PRIVATE, OpenFolder

# What an agent, and its service, write there.
OURS = (
    *("jobs", "packages", "environments", "ahead", "lock", "drain", "reserve", "reserve.*"),
    *("journal.db*", "health-port", "health-port.*", "ca-bundle.*", "agent.log", "machine.key"),
)
# Closed by the folder above: jobs are soon gone, and environments are many files.
NOT_ENTERED = ("jobs", "environments")

log = logging.getLogger(__name__)


class DataFolder:
    def __init__(self, path: Path, reserve: Reserve, journal: Journal) -> None:
        self.path = path
        self.jobs = path / "jobs"
        self.packages = path / "packages"
        self.environments = path / "environments"
        self.drain = drain_file(path)
        self.reserve = reserve
        self.journal = journal


@contextmanager
def opened(
    path: Path, min_free_bytes: int, *, allow_open: bool = False, passable: bool = False
) -> Iterator[DataFolder]:
    """Hold the folder for as long as the agent lives; the kernel lets go when it dies.

    AgentExit if it is open to other accounts and is not closed by itself. `passable`: scripts have
    accounts of their own, and reach their jobs and environments by name.
    """
    path = path.absolute()
    try:
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        _close(path, allow_open, PASSABLE if passable else PRIVATE)
        if passable:
            _must_be_ours(path)
        lock = _open_lock(path)
    except OSError as error:
        raise AgentExit(Status.CONFIG, f"{path} cannot be used: {error}.") from error
    try:
        if not _lock(lock):
            raise AgentExit(
                Status.FOLDER_IN_USE,
                f"Another agent uses {path}; give this one a folder of its own with --data.",
            )
        reserve = Reserve(path, min_free_bytes)
        journal = Journal(path / "journal.db", reserve)
        try:
            folder = DataFolder(path, reserve, journal)
            folder.jobs.mkdir(mode=PRIVATE, exist_ok=True)
            folder.packages.mkdir(mode=PRIVATE, exist_ok=True)
            folder.environments.mkdir(mode=PRIVATE, exist_ok=True)
            for place in (path, folder.jobs, folder.environments) if passable else ():
                place.chmod(stat.S_IMODE(place.stat().st_mode) | PASSABLE)
            folder.drain.unlink(missing_ok=True)  # it was for an earlier agent
            yield folder
        finally:
            journal.close()
    finally:
        os.close(lock)


def _close(path: Path, allow_open: bool, wanted: int) -> None:
    try:
        mode = private_folder.close(path, OURS, leave=NOT_ENTERED, wanted=wanted)
    except OpenFolder as error:
        if not allow_open:
            raise AgentExit(
                Status.CONFIG,
                f"{error}, or start with --allow-open-data-folder if they are meant to read it.",
            ) from error
        log.warning("As allowed: %s", error)
        return
    if mode is not None:
        log.info("Closed the data folder %s to other users (its mode was %o).", path, mode)


def _must_be_ours(path: Path) -> None:
    """What another account owns from earlier, its scripts could change."""
    strange = [place for place in (path, *path.iterdir()) if place.lstat().st_uid != 0]
    if strange:
        raise AgentExit(
            Status.CONFIG,
            f"{strange[0]} does not belong to root, as it must with --run-as. Run: "
            f"chown -R root: {shlex.quote(str(path))}",
        )


def is_in_use(path: Path) -> bool:
    """Whether an agent lives in the folder."""
    if not (path / "lock").exists():
        return False
    lock = _open_lock(path)
    try:
        return not _lock(lock)
    finally:
        os.close(lock)


def drain_file(path: Path) -> Path:
    """Its presence asks the agent in the folder to finish its jobs, take no more, and end."""
    return path / "drain"


def _open_lock(path: Path) -> int:
    return os.open(path / "lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
