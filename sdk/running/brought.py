"""Which of its needs a package brings itself: paths, wheels, and members of its workspace."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sdk.running import places
from sdk.running.files import Unreadable, opened

_SETTINGS = "The settings of uv"
_DEPENDENCIES = (
    *("constraint-dependencies", "override-dependencies"),
    "build-constraint-dependencies",
)
# Settings by which uv would install into another environment, or write elsewhere.
_PLACES = {"target", "prefix", "python", "system", "break-system-packages", "output-file"}
Table = dict[str, Any]


def by_settings(root: Path, settings: Table) -> bool:
    """By the settings of uv: where it finds wheels, and what takes part in all that it resolves.

    Raises Unreadable if a path leads out of the package `root`, or uv out of its environment.
    """
    if told := sorted(_PLACES & set(_table(settings.get("pip")))):
        raise Unreadable(f"{_SETTINGS} have pip.{told[0]}; where uv installs is not theirs to say.")
    found = [places.within(root, path, root, said_in=_SETTINGS) for path in _paths(settings)]
    named = [settings.get(name) for name in _DEPENDENCIES]
    named += _table(settings.get("extra-build-dependencies")).values()
    lists = [by_requirements(root, root, wanted, _SETTINGS) for wanted in named]
    return bool(found) or any(lists)


def by_sources(root: Path, settings: Table, wanted: object, *, beside: Path | None = None) -> bool:
    """By `tool.uv.sources`, of those that are `wanted`: others, such as those of groups for
    development, may lie anywhere."""
    names = {_name(line) for line in _list(wanted) if isinstance(line, str)}
    brings = False
    for name, source in _sources(settings):
        if _name(name) not in names:
            continue
        path, url = source.get("path"), source.get("url")
        if not isinstance(path, str) and isinstance(url, str) and not places.is_remote(url):
            path = url
        if isinstance(path, str):
            places.within(root, path, beside or root, said_in=_SETTINGS)
            brings = True
        brings |= bool(source.get("workspace"))
    return brings


def by_requirements(beside: Path, root: Path, wanted: object, said_in: str) -> bool:
    brings = False
    for line in wanted if isinstance(wanted, list) else []:
        named = places.of_requirement(line) if isinstance(line, str) else None
        if named is not None and not places.is_remote(named):
            places.within(root, named, beside, said_in=said_in)
            brings = True
    return brings


def by_lock(root: Path, lock: Table, groups: object) -> bool:
    """By uv.lock, of all but what only groups for development need."""
    brings = False
    for entry in _needed(_tables(lock.get("package")), groups):
        source = _table(entry.get("source"))
        paths = [source.get(how) for how in ("path", "directory", "editable")]
        registry = source.get("registry")
        if isinstance(registry, str) and not places.is_remote(registry):
            paths.append(registry)
        for path in paths:
            if isinstance(path, str):
                places.within(root, path, root, said_in="uv.lock")
                brings = True
    return brings


def _needed(entries: list[Table], groups: object) -> list[Table]:
    """The root of the lock and what it depends on, with its `groups` but for `dev`; all of it if
    there is no root."""
    roots = [entry for entry in entries if _is_root(entry)]
    if not roots:
        return entries
    names, waiting, needed = set[object](), list(roots), list[Table]()
    while waiting:
        entry = waiting.pop()
        needed.append(entry)
        extras = list(_table(entry.get("optional-dependencies")).values())
        extras += [wanted for name, wanted in _table(entry.get("dev-dependencies")).items()
                   if name != "dev" and (groups == "all" or name in _list(groups))]  # fmt: skip
        wanted = [*_list(entry.get("dependencies")), *(one for e in extras for one in _list(e))]
        new = {one.get("name") for one in _tables(wanted)} - names
        names |= new
        waiting += [one for one in entries if one.get("name") in new and not _is_root(one)]
    return needed


def by_pylock(root: Path, lock: Table) -> bool:
    """By pylock.toml."""
    brings = False
    for entry in _tables(lock.get("packages")):
        if any(word in str(entry.get("marker")) for word in ("extras", "dependency_groups")):
            continue  # it is not installed
        parts = [_table(entry.get(kind)) for kind in ("directory", "archive", "sdist", "vcs")]
        for part in [*parts, *_tables(entry.get("wheels"))]:
            path, url = part.get("path"), part.get("url")
            named = path if isinstance(path, str) else url
            if isinstance(named, str) and (named is path or not places.is_remote(named)):
                places.within(root, named, root, said_in="pylock.toml")
                brings = True
    return brings


def without_root(lock: Table) -> Table:
    """The version of the package itself, which is in its uv.lock too, changes nothing of its
    needs."""
    entries = _tables(lock.get("package"))
    others = [entry for entry in entries if not _is_root(entry)]
    own = [{**entry, "version": ""} for entry in entries if _is_root(entry)]
    return {**lock, "package": [*own, *others]}


def digest(root: Path) -> str:
    """Of the content of a package: its regular files with their names, and which may be run."""
    whole = hashlib.sha256()
    for file in regular_files(root):
        with opened(file) as content:
            of_file = hashlib.file_digest(content, "sha256").hexdigest()
            is_program = bool(os.fstat(content.fileno()).st_mode & stat.S_IXUSR)
        name = file.relative_to(root).as_posix()
        whole.update(json.dumps([name, is_program, of_file]).encode())
    return whole.hexdigest()


def regular_files(root: Path) -> Iterator[Path]:
    """No links, and nothing that Python makes of its own."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            file = Path(folder, name)
            if stat.S_ISREG(file.lstat().st_mode):
                yield file


def _paths(settings: Table) -> Iterator[str]:
    """Those of folders and files; not those of indexes that a server has."""
    for holder in (settings, _table(settings.get("pip"))):
        named = [holder.get("index-url"), *_list(holder.get("extra-index-url"))]
        named += _list(holder.get("find-links"))
        named += [index.get("url") for index in _tables(holder.get("index"))]
        yield from (n for n in named if isinstance(n, str) and not places.is_remote(n))


def _sources(settings: Table) -> Iterator[tuple[str, Table]]:
    for name, source in _table(settings.get("sources")).items():
        for one in _tables(source if isinstance(source, list) else [source]):
            yield name, one


def _name(requirement: str) -> str:
    """The name, normalized: https://peps.python.org/pep-0503/#normalized-names."""
    found = re.match(r"[A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-_.]+", "-", found[0] if found else "").lower()


def _is_root(entry: Table) -> bool:
    return "." in (_table(entry.get("source")).get(how) for how in ("virtual", "editable"))


def _tables(value: object) -> list[Table]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _table(value: object) -> Table:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
