"""Paths that a package names: which requirements are one, and whether it stays inside."""

import re
from pathlib import Path
from urllib.parse import unquote

from sdk.running.files import Unreadable

_URL = re.compile(r"(?:git\+|hg\+|svn\+|bzr\+|https?:|ssh:)", re.IGNORECASE)
_BY_URL = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@\s*(?P<target>\S+)")
_UNNAMED = re.compile(r"(?P<target>[^\s;\[]+)")
_ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar")


def is_remote(target: str) -> bool:
    """Whether an index, a server or a repository gives it."""
    return _URL.match(target) is not None


def of_requirement(line: str) -> str | None:
    """The URL or path that a requirement names, if it does."""
    line = " ".join(line.split())  # else spaces take a time that grows with their square
    if line.startswith("-"):
        return None
    if named := _BY_URL.match(line):
        return named["target"]
    unnamed = _UNNAMED.match(line)
    if unnamed is None:
        return None
    target = unnamed["target"]
    is_path = target.startswith(".") or any(mark in target for mark in ("/", "\\", ":"))
    return target if is_path or target.lower().endswith(_ARCHIVES) else None


def within(root: Path, named: str, beside: Path, *, said_in: str) -> Path:
    """The file or folder that `named`, a relative path or `file:` URL, is in the package.

    Raises Unreadable if it leads out of `root`, also by links, or is not there.
    """
    path = named[5:] if named.lower().startswith("file:") else named
    path = _without_extras(unquote(path).partition("#")[0])
    if "${" in path or is_remote(named):
        raise Unreadable(f"{said_in} names {named!r}: only files of the package itself are read.")
    if Path(path).is_absolute() or ":" in path:
        raise Unreadable(f"{said_in} names {named!r}: paths must be relative, and in the package.")
    try:
        place = (beside / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise Unreadable(f"{said_in} names {named!r}, which is not in the package.") from error
    if not place.is_relative_to(root):
        raise Unreadable(f"{said_in} names {named!r}, which is outside the package.")
    return place


def _without_extras(path: str) -> str:
    opening = path.find("[", path.rfind("]", 0, -1) + 1)
    return path[:opening] if path.endswith("]") and opening >= 0 else path
