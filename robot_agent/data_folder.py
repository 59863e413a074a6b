"""The folder an agent lives in, and the lock that keeps a second agent out of it."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robot_agent.exits import AgentExit, Status


class DataFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.jobs = path / "jobs"
        self.packages = path / "packages"
        self.instance = _instance(path / "instance")


@contextmanager
def opened(path: Path) -> Iterator[DataFolder]:
    """Hold the folder for as long as the agent lives; the kernel lets go when it dies."""
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise AgentExit(Status.CONFIG, f"{path} cannot be used: {error}.") from error
    try:
        if not _lock(lock):
            raise AgentExit(
                Status.FOLDER_IN_USE,
                f"Another agent uses {path}; give this one a folder of its own with --data.",
            )
        folder = DataFolder(path)
        folder.jobs.mkdir(mode=0o700, exist_ok=True)
        folder.packages.mkdir(mode=0o700, exist_ok=True)
        yield folder
    finally:
        os.close(lock)


def _instance(file: Path) -> str:
    """One id per folder: by it the server tells a restarted agent from a cloned one."""
    if file.exists() and (known := file.read_text(encoding="ascii").strip()):
        return known
    fresh = secrets.token_urlsafe(16)
    partial = file.with_suffix(".part")
    partial.write_text(fresh, encoding="ascii")
    partial.replace(file)
    return fresh


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
