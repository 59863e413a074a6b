"""What a package says its script needs, and from which of its files that is known.

In this order: uv.lock or pylock.toml; requirements.lock or requirements.txt; the script's own
block (PEP 723); the dependencies of pyproject.toml; nothing. A project that has a build system is
a package itself, and installed with its dependencies, as `uv run` does.
"""

import hashlib
import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from sdk.archives import toml
from sdk.running import brought, files, requirements
from sdk.running.files import Unreadable

# As PEP 723 has it: https://packaging.python.org/en/latest/specifications/inline-script-metadata/
# Its regular expression takes a time that grows with the square of a file of openings; the same in
# two steps: the comment that begins with one, and the last closing in it.
_CLOSING = "# ///"
_COMMENT = re.compile(r"(?m)^# /// script\n(?P<lines>(?:^#(?:| .*)\n)*+)(?P<last># ///\Z)?")
MAX_LOCK_BYTES = 16 * 1024 * 1024
MAX_SCRIPT_BYTES = 16 * 1024 * 1024


class Kind(StrEnum):
    UV_LOCK = "uv.lock"
    PYLOCK = "pylock.toml"
    REQUIREMENTS = "requirements"
    SCRIPT = "script"
    PROJECT = "pyproject.toml"
    NOTHING = "nothing"


class Needs(NamedTuple):
    kind: Kind
    file: str = ""  # which says so, within the package; "" if none does
    python: str = ""  # a specifier such as ">=3.12", or ""
    digest: str = ""  # the same for all that need the same
    brings: bool = False  # some of it is code in the package itself, whose content is in `digest`
    tool: str = ""  # the settings of uv in the package
    text: str = ""  # what to give to uv in place of `file`
    constraints: str = ""
    has_hashes: bool = False


class _Package(NamedTuple):
    """An unpacked package, and what it says of itself in pyproject.toml and uv.toml."""

    root: Path
    project: dict[str, Any]
    settings: dict[str, Any]

    @property
    def python(self) -> str:
        return _text(_table(self.project, "project").get("requires-python"))

    @property
    def is_installable(self) -> bool:
        says = self.settings.get("package")
        has_system = says if isinstance(says, bool) else "build-system" in self.project
        return has_system and "project" in self.project


def of(work: Path, script: Path) -> Needs:
    """What `script`, in the unpacked package `work`, needs.

    Raises Unreadable if one of the files cannot be read, or leads out of the package.
    """
    package = _package(work.resolve())
    found = _locked(package) or _required(package) or _in_script(package, script.resolve())
    needs = found or _of_project(package)
    tool = json.dumps(package.settings, sort_keys=True, default=str)
    content = brought.digest(package.root) if needs.brings else ""
    decisive = json.dumps([needs.kind, needs.digest, tool, content])
    return needs._replace(tool=tool, digest=hashlib.sha256(decisive.encode()).hexdigest())


def _package(root: Path) -> _Package:
    project = _toml(root / "pyproject.toml", toml.MAX_BYTES)
    own = _toml(root / "uv.toml", toml.MAX_BYTES)  # which uv reads first
    tool = _table(_table(project, "tool"), "uv")
    return _Package(root, project, {**tool, **own})


def _locked(package: _Package) -> Needs | None:
    for kind in (Kind.UV_LOCK, Kind.PYLOCK):
        file = package.root / kind
        if file.is_file():
            lock = _toml(file, MAX_LOCK_BYTES)
            brings = [
                brought.by_settings(package.root, package.settings),
                brought.by_lock(package.root, lock, package.settings.get("default-groups"))
                if kind is Kind.UV_LOCK
                else brought.by_pylock(package.root, lock),
            ]
            content = json.dumps(brought.without_root(lock), sort_keys=True, default=str)
            return Needs(kind, file.name, package.python, content, any(brings))
    return None


def _required(package: _Package) -> Needs | None:
    for name in ("requirements.lock", "requirements.txt"):
        if (package.root / name).exists():
            read = requirements.read(package.root, package.root / name)
            brings = brought.by_settings(package.root, package.settings)
            text = "".join(f"{line}\n" for line in read.lines) or "\n"
            constraints = "".join(f"{line}\n" for line in read.constraints)
            return Needs(
                Kind.REQUIREMENTS, name, package.python, json.dumps([text, constraints]),
                brings or read.brings,
                text=text, constraints=constraints, has_hashes=read.has_hashes,
            )  # fmt: skip
    return None


def _in_script(package: _Package, script: Path) -> Needs | None:
    text = _block(script)
    block = _parsed(text.encode(), script.name)
    if not (wanted := block.get("dependencies")):
        return None
    tool = _table(_table(block, "tool"), "uv")
    brings = [
        brought.by_settings(package.root, tool),
        brought.by_sources(package.root, tool, wanted, beside=script.parent),
        brought.by_settings(package.root, package.settings),
        brought.by_requirements(script.parent, package.root, wanted, script.name),
    ]
    python = _text(block.get("requires-python")) or package.python
    lines = "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())
    return Needs(
        Kind.SCRIPT, script.relative_to(package.root).as_posix(), python,
        json.dumps([wanted, tool], sort_keys=True, default=str), any(brings),
        text=f"# /// script\n{lines}# ///\n",
    )  # fmt: skip


def _of_project(package: _Package) -> Needs:
    wanted = _table(package.project, "project").get("dependencies")
    if not wanted and not package.is_installable:
        return Needs(Kind.NOTHING, python=package.python)
    brings = [
        package.is_installable,
        brought.by_settings(package.root, package.settings),
        brought.by_sources(package.root, package.settings, wanted),
        brought.by_requirements(package.root, package.root, wanted or [], "pyproject.toml"),
    ]
    return Needs(
        Kind.PROJECT, "pyproject.toml", package.python, json.dumps(wanted, default=str),
        any(brings), text=".\n" if package.is_installable else "",
    )  # fmt: skip


def _block(script: Path) -> str:
    """The text of the script's metadata; "" if it has none."""
    if script.suffix != ".py":
        return ""
    content = files.read(script, MAX_SCRIPT_BYTES)
    try:
        source = files.decode(content)
    except (ValueError, LookupError, SyntaxError):
        source = content.decode("latin-1")  # Python will say what is wrong with it
    comments = _COMMENT.finditer(source.replace("\r\n", "\n"))
    found = [block for comment in comments if (block := _content(comment))]
    if len(found) > 1:
        raise Unreadable(f"{script.name} has {len(found)} blocks of metadata; one is allowed.")
    lines = found[0] if found else []
    return "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in lines)


def _content(comment: re.Match[str]) -> list[str]:
    """The lines of a block; none if the comment has no closing."""
    lines = comment["lines"].splitlines() + ([_CLOSING] if comment["last"] else [])
    closings = [at for at, line in enumerate(lines) if line == _CLOSING]
    return lines[: closings[-1]] if closings else []


def _toml(file: Path, limit: int) -> dict[str, Any]:
    return _parsed(files.read(file, limit), file.name, limit) if file.exists() else {}


def _parsed(content: bytes, name: str, limit: int = toml.MAX_BYTES) -> dict[str, Any]:
    try:
        return toml.parse(content, max_bytes=limit)
    except ValueError as error:
        raise Unreadable(f"{name} cannot be read: {error}.") from error


def _table(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
