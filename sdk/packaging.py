"""Builds the archive of a package, the same bytes from the same files.

Order, times and the system's mark are fixed, whoever packs and wherever. Of a file's mode only the
executable bit is kept, which Windows does not have. Compression is zlib's: archives from machines
with different zlib libraries unpack alike, but may differ.
"""

import os
import re
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pathspec import GitIgnoreSpec

from sdk.archives import toml

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
LEFT_OUT = frozenset({".env", ".git", "__pycache__", "dist", "runwright.local.toml", "venv"})
LEFT_OUT_BY_PATTERN = (".env.*", "*.pyc")
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment a zip file can express
UNIX = 3
COMPRESSION_LEVEL = 6


class CannotPack(Exception):
    """The folder does not make a package; the message says why."""


def pack(
    folder: Path, destination: Path, *, name: str | None = None, version: str | None = None
) -> Path:
    """Build `<name>_<version>.zip` in `destination` and return its path.

    Name and version come from `pyproject.toml` unless given.
    """
    if not folder.is_dir():
        raise CannotPack(f"{folder} is not a folder.")
    if name is None or version is None:
        said_name, said_version = name_and_version(folder, name, version)
        name, version = name or said_name, version or said_version
    _check(name, version)
    files = _files_to_pack(folder, destination, name)
    destination.mkdir(parents=True, exist_ok=True)
    archive = destination / f"{name}_{version}.zip"
    _write(archive, files)
    return archive


def name_and_version(
    folder: Path, name: str | None = None, version: str | None = None
) -> tuple[str, str]:
    """What `pyproject.toml` says, where it is not given; CannotPack if that will not do."""
    project = _project(folder)
    name = _text(project, "name") if name is None else name
    version = _text(project, "version") if version is None else version
    _check(name, version)
    return name, version


def files_of(folder: Path) -> dict[str, Path]:
    """What would be packed, each file by its name in the archive."""
    return _files_to_pack(folder, folder / "dist", "")


def _project(folder: Path) -> dict[str, object]:
    path = folder / "pyproject.toml"
    if not path.is_file():
        raise CannotPack(f"{folder} has no pyproject.toml, so name and version must be given.")
    try:
        project = toml.read(path).get("project")
    except (ValueError, OSError) as error:  # not TOML, too costly, not readable
        raise CannotPack(f"{path} cannot be read: {error}.") from error
    if not isinstance(project, dict):
        raise CannotPack(f"{path} has no [project].")
    return project


def _text(project: dict[str, object], key: str) -> str:
    value = project.get(key)
    if not isinstance(value, str):
        raise CannotPack(f"pyproject.toml must have a {key} in [project], and it must be a text.")
    return value


def _check(name: str, version: str) -> None:
    if not NAME.fullmatch(name):
        raise CannotPack(
            f"{name!r} is not a name for a package: letters, digits, _ and -, at most 100, "
            "beginning with a letter or a digit."
        )
    if not VERSION.fullmatch(version):
        raise CannotPack(f"{version!r} is not a version: three numbers are needed, like 1.0.0.")


def _files_to_pack(folder: Path, destination: Path, name: str) -> dict[str, Path]:
    """Each file by its name in the archive, in the archive's order."""
    target = destination.resolve()
    files = {
        path.relative_to(folder).as_posix(): path
        for path in _walk(folder)
        # What was packed before must not be packed again when `destination` is in `folder`.
        if not (path.match(f"{name}_*.zip") and path.parent.resolve() == target)
    }
    if not any(path.endswith(".py") for path in files):
        raise CannotPack(f"{folder} has no .py file, so there is nothing to run.")
    return dict(sorted(files.items()))  # by text: a sorted Path ignores case on Windows


def _walk(folder: Path, ignored: tuple["_Ignored", ...] = ()) -> Iterator[Path]:
    ignored = (*ignored, *_ignored_in(folder))
    for path in folder.iterdir():
        if _is_left_out(path) or any(by.leaves_out(path) for by in ignored):
            continue
        if path.is_symlink():
            raise CannotPack(f"{path} is a symbolic link; a package holds files and folders only.")
        if path.is_dir():
            yield from _walk(path, ignored)
        elif path.is_file():
            yield path
        else:
            raise CannotPack(f"{path} is neither a file nor a folder.")


class _Ignored(NamedTuple):
    """A `.gitignore`, which counts for its folder and what is below."""

    folder: Path
    spec: GitIgnoreSpec

    def leaves_out(self, path: Path) -> bool:
        name = path.relative_to(self.folder).as_posix()
        return self.spec.match_file(name + "/" if path.is_dir() else name)


def _ignored_in(folder: Path) -> Iterator[_Ignored]:
    path = folder / ".gitignore"
    if path.is_file():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        yield _Ignored(folder, GitIgnoreSpec.from_lines(lines))


def _is_left_out(path: Path) -> bool:
    if (path / "pyvenv.cfg").is_file():
        return True  # a virtual environment, whatever its name
    if path.name in LEFT_OUT or any(path.match(pattern) for pattern in LEFT_OUT_BY_PATTERN):
        return True
    return path.name.startswith(".") and path.is_dir()


def _write(archive: Path, files: dict[str, Path]) -> None:
    # Beside the archive and then in its place, so that no half of it is ever uploaded.
    partial = archive.with_name(f".{archive.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(partial, "w") as file:
            for name, path in files.items():
                _add(file, name, path)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    entry = zipfile.ZipInfo(name, EARLIEST)
    entry.create_system = UNIX  # on Windows it would say so, and be other bytes
    entry.external_attr = (stat.S_IFREG | (0o755 if _is_executable(path) else 0o644)) << 16
    try:
        archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, COMPRESSION_LEVEL)
    except UnicodeEncodeError as error:
        raise CannotPack(f"The name {name!r} cannot be written in Unicode.") from error


def _is_executable(path: Path) -> bool:
    # On Windows, Python makes a mode up from the ending of the name.
    return sys.platform != "win32" and bool(path.stat().st_mode & stat.S_IXUSR)
