"""Opens files that a script may have put there: regular ones only, and never a wait.

A script owns its folder: what is a file at one moment may be a FIFO, a device or a link at the
next. So the file is opened first, without following a link and without waiting for the other end
of a FIFO, and what has been opened is checked.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

MOST_DEPTH = 32  # of the folders that are looked into
_FLAGS = (
    getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NOINHERIT", 0)
)
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegular(OSError):
    """There is something of that name, and it is no regular file."""


class Found(NamedTuple):
    """A path below a folder, as a scan sees it; its links are not followed."""

    path: Path
    about: os.stat_result


def descriptor_of(path: Path, flags: int = os.O_RDONLY, *, within: Path | None = None) -> int:
    """Open a regular file and return its descriptor; the caller closes it.

    Below `within`, by default the file's own folder, no link is followed, and `within` must not be
    a link itself. Raises NotRegular for all that is no regular file, else OSError as `open` does.
    """
    folder = path.parent if within is None else within
    try:
        with _opened_folder(folder, path.relative_to(folder).parts[:-1]) as (at, prefix):
            descriptor = os.open(prefix / path.name, flags | _FLAGS, 0o600, dir_fd=at)
    except OSError as error:
        raise _explained(path, error) from error
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            raise NotRegular(f"It is {kind_of(about)}, and no regular file.")
        if sys.platform != "win32":
            os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def opened(path: Path, *, within: Path | None = None) -> BufferedReader:
    """Open a regular file for reading; raises as `descriptor_of` does."""
    return os.fdopen(descriptor_of(path, within=within), "rb")


def read(path: Path, most_bytes: int, *, within: Path | None = None) -> bytes:
    """Read at most so many bytes of a regular file; raises as `descriptor_of` does."""
    with opened(path, within=within) as file:
        return file.read(most_bytes)


def kind_of(about: os.stat_result) -> str:
    """Name the kind of what is no regular file, as in "a named pipe"."""
    if _is_link(about):
        return "a link"
    return _KINDS.get(stat.S_IFMT(about.st_mode), "something else")


def is_folder(about: os.stat_result) -> bool:
    """Whether it is a directory, and no link to one."""
    return stat.S_ISDIR(about.st_mode) and not _is_link(about)


def scan(folder: Path, *, most_depth: int = MOST_DEPTH) -> Iterator[Found]:
    """Yield everything below `folder` except directories, in no order, following no link.

    Raises NotRegular if `folder` is there and is no directory; a folder that is not there, or goes
    away meanwhile, is empty. Directories deeper than `most_depth` are yielded, not entered.
    """
    try:
        with _opened_folder(folder, ()) as (at, prefix):
            yield from _entries(folder, at, prefix, most_depth)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _explained(folder, error, "directory") from error


def _entries(folder: Path, at: int | None, prefix: Path, depth: int) -> Iterator[Found]:
    with os.scandir(prefix if at is None else at) as entries:
        for entry in entries:
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            path = folder / entry.name
            if not is_folder(about) or depth == 0:
                yield Found(path, about)
                continue
            try:
                with _child_folder(at, prefix / entry.name) as (inner, below):
                    yield from _entries(path, inner, below, depth - 1)
            except OSError:  # it was removed, replaced or locked meanwhile
                yield Found(path, about)


def _is_link(about: os.stat_result) -> bool:
    """Whether it leads elsewhere; a junction of Windows is a directory by its mode."""
    if stat.S_ISLNK(about.st_mode):
        return True
    if sys.platform == "win32":
        return bool(about.st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)
    return False


def _explained(path: Path, error: OSError, wanted: str = "regular file") -> OSError:
    """NotRegular if the error comes of what is there instead of a file; else the error itself."""
    if isinstance(error, NotRegular | FileNotFoundError):
        return error
    try:
        about = path.lstat()
    except OSError:
        about = None
    if about is None or (stat.S_ISREG(about.st_mode) and wanted != "directory"):
        is_on_the_way = error.errno in (errno.ELOOP, errno.ENOTDIR)
        return NotRegular("A folder on the way to it is no directory.") if is_on_the_way else error
    if isinstance(error, PermissionError) and is_folder(about):
        return error
    return NotRegular(f"It is {kind_of(about)}, and no {wanted}.")


if sys.platform == "win32":

    @contextmanager
    def _opened_folder(folder: Path, parts: tuple[str, ...]) -> Iterator[tuple[int | None, Path]]:
        """Windows opens nothing beside a descriptor, so each folder on the way is checked."""
        for below in range(len(parts) + 1):
            _check_folder(folder.joinpath(*parts[:below]))
        yield None, folder.joinpath(*parts)

    @contextmanager
    def _child_folder(at: int | None, place: Path) -> Iterator[tuple[int | None, Path]]:
        _check_folder(place)
        yield at, place

    def unlock(folder: Path) -> None:
        """Nothing: the mode of a directory locks nobody out here."""

    def _check_folder(place: Path) -> None:
        about = place.lstat()
        if not is_folder(about):
            raise NotRegular(f"{place.name} is {kind_of(about)}, and no directory.")

else:
    _FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

    @contextmanager
    def _opened_folder(folder: Path, parts: tuple[str, ...]) -> Iterator[tuple[int | None, Path]]:
        """The folder, opened step by step: what a link replaces meanwhile is not followed."""
        at = os.open(folder, _FOLDER_FLAGS)
        try:
            for name in parts:
                inner = os.open(name, _FOLDER_FLAGS, dir_fd=at)
                os.close(at)
                at = inner
            yield at, Path()
        finally:
            os.close(at)

    @contextmanager
    def _child_folder(at: int | None, place: Path) -> Iterator[tuple[int | None, Path]]:
        inner = os.open(place.name, _FOLDER_FLAGS, dir_fd=at)
        try:
            yield inner, Path()
        finally:
            os.close(inner)

    def unlock(folder: Path) -> None:
        """Give the owner of a tree back its directories, so that the tree can be removed; no link
        is followed, so nothing outside of it is changed."""
        with _opened_folder(folder.parent, ()) as (at, _):
            _unlock(at, folder.name, MOST_DEPTH)

    def _unlock(at: int | None, name: str, depth: int) -> None:
        _set_mode(name, at, stat.S_IRWXU)
        inner = os.open(name, _FOLDER_FLAGS, dir_fd=at)
        try:
            with os.scandir(inner) as entries:
                folders = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
            for below in folders if depth else ():
                _unlock(inner, below, depth - 1)
        finally:
            os.close(inner)

    def _set_mode(name: str, at: int | None, mode: int) -> None:
        """As chmod, but of a directory only, whatever its mode is; never by way of a link."""
        if os.chmod in os.supports_follow_symlinks:
            os.chmod(name, mode, dir_fd=at, follow_symlinks=False)
            return
        descriptor = os.open(name, os.O_PATH | _FOLDER_FLAGS, dir_fd=at)  # needs no right to it
        try:
            Path(f"/proc/self/fd/{descriptor}").chmod(mode)
        finally:
            os.close(descriptor)
