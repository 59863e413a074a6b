"""What a package says its script needs, and from which of its files that is known.

In this order: uv.lock or pylock.toml; requirements.lock or requirements.txt; the script's own
block (PEP 723); the dependencies of pyproject.toml; nothing.
"""

import hashlib
import json
import re
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from robot_agent.exits import JobFailed
from sdk.contract.jobs import Reason

# As PEP 723 has it: https://packaging.python.org/en/latest/specifications/inline-script-metadata/
# Its regular expression takes a time that grows with the square of a file of openings; the same in
# two steps: the comment that begins with one, and the last closing in it.
_CLOSING = "# ///"
_COMMENT = re.compile(r"(?m)^# /// script\n(?P<lines>(?:^#(?:| .*)\n)*+)(?P<last># ///\Z)?")


class Kind(StrEnum):
    UV_LOCK = "uv.lock"
    PYLOCK = "pylock.toml"
    REQUIREMENTS = "requirements"
    SCRIPT = "script"
    PROJECT = "pyproject.toml"
    NOTHING = "nothing"


class Needs(NamedTuple):
    kind: Kind
    file: str  # which says so, within the package; "" if none does
    python: str  # a specifier such as ">=3.12", or ""
    digest: str  # the same for whatever needs the same


def of(work: Path, script: Path) -> Needs:
    """What `script`, in the unpacked package `work`, needs.

    JobFailed(environment_failed) if one of the files cannot be read.
    """
    work, script = work.resolve(), script.resolve()
    project = _toml(work / "pyproject.toml")
    python = _text(_table(project, "project").get("requires-python"))
    tool = _table(project, "tool").get("uv")  # where packages come from, for example
    if (lock := work / "uv.lock").is_file():
        return _needs(Kind.UV_LOCK, lock.name, python, _without_the_package(_toml(lock)), tool)
    if (lock := work / "pylock.toml").is_file():
        return _needs(Kind.PYLOCK, lock.name, python, _toml(lock), tool)
    for name in ("requirements.lock", "requirements.txt"):
        if (file := work / name).is_file():
            return _needs(Kind.REQUIREMENTS, name, python, _words(work, file), tool)
    block = _block(script)
    if block.get("dependencies"):
        spec, name = _text(block.get("requires-python")) or python, str(script.relative_to(work))
        return _needs(Kind.SCRIPT, name, spec, block["dependencies"], block.get("tool"))
    if wanted := _table(project, "project").get("dependencies"):
        return _needs(Kind.PROJECT, "pyproject.toml", python, wanted, tool)
    return _needs(Kind.NOTHING, "", _text(block.get("requires-python")) or python)


def _needs(kind: Kind, file: str, python: str, *content: object) -> Needs:
    told = json.dumps([kind, content], sort_keys=True, default=str)
    return Needs(kind, file, python, hashlib.sha256(told.encode()).hexdigest())


def _words(work: Path, file: Path) -> dict[str, str]:
    """A requirements file with those it names by -r and -c."""
    read: dict[str, str] = {}
    waiting = [file]
    while waiting:
        one = waiting.pop()
        name = one.relative_to(work).as_posix() if one.is_relative_to(work) else str(one)
        if name in read:
            continue
        read[name] = _read(one)
        for named in re.findall(r"(?m)^\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)",
                                read[name]):  # fmt: skip
            waiting.append((one.parent / named).resolve())
    return read


def _without_the_package(lock: dict[str, Any]) -> dict[str, Any]:
    """The version of the package itself, which is in its lock too, changes nothing of its needs."""
    others = [p for p in lock.get("package", []) if not _is_the_package(p)]
    own = [{**p, "version": ""} for p in lock.get("package", []) if _is_the_package(p)]
    return {**lock, "package": [*own, *others]}


def _is_the_package(entry: dict[str, Any]) -> bool:
    return "." in (_table(entry, "source").get(how) for how in ("virtual", "editable"))


def _block(script: Path) -> dict[str, Any]:
    if script.suffix != ".py":
        return {}
    found = [block for comment in _COMMENT.finditer(_read(script)) if (block := _content(comment))]
    if not found:
        return {}
    if len(found) > 1:
        raise _wrong(f"{script.name} has {len(found)} blocks of metadata; one is allowed.")
    text = "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in found[0])
    return _parsed(text, script)


def _content(comment: re.Match[str]) -> list[str]:
    """The lines of a block; none if the comment has no closing."""
    lines = comment["lines"].splitlines() + ([_CLOSING] if comment["last"] else [])
    closings = [at for at, line in enumerate(lines) if line == _CLOSING]
    return lines[: closings[-1]] if closings else []


def _toml(file: Path) -> dict[str, Any]:
    return _parsed(_read(file), file) if file.is_file() else {}


def _parsed(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _wrong(f"{file.name} cannot be read: {error}.") from error


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"{file.name} cannot be read: {error}.") from error


def _table(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _wrong(message: str) -> JobFailed:
    return JobFailed(Reason.ENVIRONMENT_FAILED, message)
