"""Keeps what a server or an agent stores from the other accounts of its machine.

New files are private by the umask. A data folder that was made before, by `mkdir` for example, may
be open: it is closed if nobody else can need it open, and refused otherwise. On Windows, folders
have no modes and nothing is done.
"""

import os
import shlex
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

OTHERS = 0o077
PRIVATE = 0o700
PASSABLE = 0o711  # others reach what they know by name, and may read
PRIVATE_UMASK = 0o077
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")  # acl(5), as extended attributes


class OpenFolder(Exception):
    """Other accounts can read the folder, and it may have to be so. The message says what to do."""


@contextmanager
def private_files() -> Iterator[int]:
    """Files that are made meanwhile are for this account alone; gives the umask of before."""
    before = os.umask(PRIVATE_UMASK)
    try:
        yield before
    finally:
        os.umask(before)


def is_open(folder: Path, wanted: int = PRIVATE) -> bool:
    """Whether other accounts can do more in the folder than the mode `wanted` lets them."""
    return os.name == "posix" and bool(folder.stat().st_mode & OTHERS & ~wanted)


def close(
    folder: Path, ours: Collection[str], *, leave: Collection[str] = (), wanted: int = PRIVATE
) -> int | None:
    """Close a data folder that is open, and what is in it; give the mode that it had. None if it
    is not open.

    `ours`: patterns of the names that its owner writes there. `leave`: of those, what is not
    entered or changed. OpenFolder if it is not certainly a folder of this program alone.
    """
    if not is_open(folder, wanted):
        return None
    mode = stat.S_IMODE(folder.stat().st_mode)
    if why := _why_not_ours(folder, ours):
        raise OpenFolder(
            f"The data folder {folder} is open to other users of this machine (mode {mode:o}), and "
            f"it is not closed because {why}. Run: {_command(folder)}"
        )
    folder.chmod(wanted)
    _close_inside(folder, leave)
    return mode


def _why_not_ours(folder: Path, ours: Collection[str]) -> str:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        return f"it belongs to user {_name_of(found.st_uid)}"
    if os.path.ismount(folder):
        return "it is a mount point"
    if found.st_mode & (stat.S_ISGID | stat.S_ISVTX):
        return "it has the setgid or the sticky bit"
    if _has_acl(folder):
        return "it has an access control list"
    names = sorted(path.name for path in folder.iterdir())
    strange = next((name for name in names if not _matches(name, ours)), None)
    return f"it holds files that are not Runwright's, such as {strange!r}" if strange else ""


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _has_acl(folder: Path) -> bool:
    if not hasattr(os, "listxattr"):
        return False
    try:
        return any(name in _ACLS for name in os.listxattr(folder))
    except OSError:  # this file system has none
        return False


def _close_inside(folder: Path, leave: Collection[str]) -> None:
    for path in folder.iterdir():
        if path.name in leave or path.is_symlink():
            continue
        _close_one(path)
        for place, folders, files in os.walk(path):  # of a file, nothing
            for name in (*folders, *files):
                _close_one(Path(place, name))


def _close_one(path: Path) -> None:
    mode = path.lstat().st_mode
    if mode & OTHERS and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        path.chmod(stat.S_IMODE(mode) & ~OTHERS)


def _command(folder: Path) -> str:
    quoted = shlex.quote(str(folder))
    if folder.stat().st_uid == os.geteuid():
        return f"chmod 700 {quoted}"
    return f"sudo chown {_name_of(os.geteuid())} {quoted} && sudo chmod 700 {quoted}"


def _name_of(user_id: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
