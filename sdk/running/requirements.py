"""Reads requirements files as pip and uv do, with those that they name, and nothing outside.

What comes of it is a list of lines without comments and without files: `-r` and `-c` are
followed, and `-e X` is `X`, as nothing may point into a folder that goes away.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sdk.running import files, places
from sdk.running.files import Unreadable

MAX_BYTES = 4 * 1024 * 1024  # of all files together
MAX_FILES = 100
MAX_DEPTH = 10
MAX_LINE = 256 * 1024  # characters, with all hashes that continue it

# A line may be of megabytes: each of these takes a time that grows with its length alone.
_COMMENT = re.compile(r"(?<!\S)#.*")
_NESTED = re.compile(r"(?:(?P<r>--requirement|-r)|--constraint|-c)[\s=]*(?P<file>\S.*)")
_NESTED_WITHIN = re.compile(r"\s(?:-r|-c|--requirement|--constraint)\b")
_EDITABLE = re.compile(r"(?:-e|--editable)[\s=]*")
_SOURCE = re.compile(
    r"(?:-f|--find-links|-i|--index-url|--extra-index-url|--index|--default-index)[\s=]*(\S+)"
)


class Requirements(NamedTuple):
    lines: list[str]
    constraints: list[str]
    brings: bool  # some of it is in the package

    @property
    def has_hashes(self) -> bool:
        return any("--hash" in line for line in self.lines)


class _Reader:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: list[str] = []
        self.constraints: list[str] = []
        self.brings = False
        self._read: set[tuple[Path, bool]] = set()
        self._left = MAX_BYTES

    def add(self, file: Path, *, constrains: bool = False, depth: int = 0) -> None:
        if (file, constrains) in self._read:
            return
        if len(self._read) >= MAX_FILES or depth > MAX_DEPTH:
            raise Unreadable(
                f"{file.name}: requirements may be in {MAX_FILES} files, {MAX_DEPTH} deep."
            )
        self._read.add((file, constrains))
        content = files.read(file, self._left)
        self._left -= len(content)
        for line in _logical_lines(_text(file, content)):
            if len(line) > MAX_LINE:
                raise Unreadable(f"{file.name} has a line of more than {MAX_LINE:,} characters.")
            if nested := _NESTED.fullmatch(line):
                named = nested["file"].strip("\"'")
                inner = places.within(self.root, named, file.parent, said_in=file.name)
                is_constraint = constrains or not nested["r"]
                self.add(inner, constrains=is_constraint, depth=depth + 1)
            else:
                (self.constraints if constrains else self.lines).append(self._line(file, line))

    def _line(self, file: Path, line: str) -> str:
        if _NESTED_WITHIN.search(line):
            raise Unreadable(f"{file.name}: -r and -c must begin a line of their own: {line!r}.")
        if any("${" in _outside_url(word) for word in line.split()):
            raise Unreadable(
                f"{file.name}: a variable may stand in a URL, but not decide a path: {line!r}."
            )
        if _EDITABLE.match(line):
            line = _EDITABLE.sub("", line)
            if places.of_requirement(line) is None:  # a folder all the same, never a name
                line = f"./{line}"
        if source := _SOURCE.match(line):
            return self._source(file, line, source[1])
        named = places.of_requirement(line)
        if named is not None and not places.is_remote(named):
            places.within(self.root, named, self.root, said_in=file.name)
            self.brings = True
        return line

    def _source(self, file: Path, line: str, named: str) -> str:
        """Wheels in the package are named by a path from the file, which becomes one from `root`:
        the paths of requirements are that already."""
        if places.is_remote(named):
            return line
        place = places.within(self.root, named, file.parent, said_in=file.name)
        self.brings = True
        return line.replace(named, f"./{place.relative_to(self.root).as_posix()}")


def read(root: Path, file: Path) -> Requirements:
    """Raises Unreadable if it is no text, is too long, or leads out of `root`."""
    reader = _Reader(root)
    reader.add(file)
    return Requirements(reader.lines, reader.constraints, reader.brings)


def _text(file: Path, content: bytes) -> str:
    try:
        return files.decode(content)
    except (ValueError, LookupError, SyntaxError) as error:
        raise Unreadable(f"{file.name} cannot be read: {error}.") from error


def _outside_url(word: str) -> str:
    before, _, rest = word.partition("://")
    return before if rest and (before[-1:].isalnum() or before[-1:] == "_") else word


def _logical_lines(text: str) -> Iterator[str]:
    begun = ""
    for line in [*text.splitlines(), ""]:
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            begun += line[:-1] + " "
            continue
        whole = " ".join(_COMMENT.sub("", begun + line).split())
        begun = ""
        if whole:
            yield whole
