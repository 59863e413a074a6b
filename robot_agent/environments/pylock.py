"""Locks as PEP 751 has them: read, divided into what a package brings and the rest, and written.

https://packaging.python.org/en/latest/specifications/pylock-toml/
"""

import hashlib
import json
import tomllib
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker

from robot_agent.environments import ownership
from sdk.running import places
from sdk.running.files import Unreadable

Entry = dict[str, Any]
_FILES = ("archive", "sdist")


class Lock(NamedTuple):
    local: list[Entry]  # with absolute paths
    shared: list[Entry]


def divide(text: str, root: Path, python: str) -> Lock:
    """Of what this Python needs, what lies in the folder `root` and what does not.

    Raises Unreadable if a folder or an archive lies elsewhere on this machine.
    """
    lock = Lock([], [])
    for entry in tomllib.loads(text).get("packages", []):
        if _is_needed(entry, python):
            entry, is_local = _placed(entry, root)
            (lock.local if is_local else lock.shared).append(entry)
    return lock


def identity(entries: Iterable[Entry]) -> str:
    """The same for the same files, wherever they are fetched from if their hashes are known."""
    pins = [
        [entry.get("name"), entry.get("version"), entry.get("vcs"), _identities(entry)]
        for entry in entries
    ]
    return hashlib.sha256(json.dumps(sorted(pins, key=str), default=str).encode()).hexdigest()


def restricted(entries: Iterable[Entry], hashes: frozenset[str]) -> list[Entry]:
    """Only the files with one of `hashes`. Raises Unreadable if none of a package is left."""
    found = []
    for entry in entries:
        kept = {name: part for name, part in entry.items() if name not in (*_FILES, "wheels")}
        kept |= {n: entry[n] for n in _FILES if n in entry and _hashes(entry[n]) & hashes}
        if wheels := [wheel for wheel in entry.get("wheels", []) if _hashes(wheel) & hashes]:
            kept["wheels"] = wheels
        if not kept.keys() & {*_FILES, "wheels"}:
            raise Unreadable(f"Of {entry.get('name')} no file has one of the hashes given.")
        found.append(kept)
    return found


@ownership.as_helper
def of_wheel_in(folder: Path, name: str) -> Entry:
    [wheel] = folder.glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return {"name": name, "archive": {"path": str(wheel), "hashes": {"sha256": digest}}}


@ownership.as_helper
def write(file: Path, entries: Iterable[Entry]) -> None:
    lines = ['lock-version = "1.0"', 'created-by = "runwright"', f"packages = {_toml([*entries])}"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _placed(entry: Entry, root: Path) -> tuple[Entry, bool]:
    """The entry with absolute paths, and whether one of them is in `root`."""
    entry, is_local = dict(entry), False
    for kind in ("directory", *_FILES):
        if kind in entry:
            entry[kind], is_in = _part(entry[kind], root, must=kind != "sdist")
            is_local |= is_in
    if "wheels" in entry:
        wheels = [_part(wheel, root, must=False) for wheel in entry["wheels"]]
        entry["wheels"] = [part for part, _ in wheels]
        is_local |= any(is_in for _, is_in in wheels)
    return entry, is_local


def _part(part: Entry, root: Path, *, must: bool) -> tuple[Entry, bool]:
    path = _path(part)
    if path is None:
        return part, False
    place = (root / path).resolve()
    if must and not place.is_relative_to(root):
        raise Unreadable(f"{path} is outside the package.")
    others = {name: value for name, value in part.items() if name not in ("path", "url")}
    return {**others, "path": str(place)}, place.is_relative_to(root)


def _path(part: Entry) -> str | None:
    path, url = part.get("path"), part.get("url")
    if isinstance(path, str):
        return path
    if isinstance(url, str) and not places.is_remote(url):
        return unquote(urlsplit(url).path)
    return None


def _is_needed(entry: Entry, python: str) -> bool:
    if not (text := entry.get("marker")):
        return True
    machine = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2])}
    groups = {"extras": frozenset[str](), "dependency_groups": frozenset[str]()}
    try:
        return Marker(text).evaluate({**machine, **groups}, context="lock_file")
    except InvalidMarker as error:
        raise Unreadable(f"The lock has a marker that makes no sense: {error}") from error


def _identities(entry: Entry) -> list[str]:
    parts = [entry[kind] for kind in _FILES if kind in entry] + entry.get("wheels", [])
    return sorted(
        str(
            [sorted(_hashes(part)) or part.get("url") or part.get("path"), part.get("subdirectory")]
        )
        for part in parts
    )


def _hashes(part: Entry) -> set[str]:
    return {f"{kind}:{value}" for kind, value in part.get("hashes", {}).items()}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_toml(str(k))} = {_toml(v)}' for k, v in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
