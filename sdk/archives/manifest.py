"""What a package says about itself, read and never run: its scripts, and what it needs."""

import ast
import codecs
import io
import tokenize
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from sdk.archives import BadPackage, functions, toml
from sdk.archives.annotations import schema_of
from sdk.contract.packages import Entrypoint, Script

MAX_SCRIPTS = 500
MAX_SCRIPT_BYTES = 256 * 1024
MAX_SCRIPTS_BYTES = 4 * 1024 * 1024
MAX_PARSED_CHARACTERS = 256 * 1024  # of the heads of functions, in a whole package
MAX_ENTRYPOINTS = 100
MAX_SCHEMAS_BYTES = 256 * 1024  # of a whole package; it stands in every list of packages
ENTRYPOINT = "main"

_SLOW_ENCODINGS = {"idna", "punycode"}  # take a time that grows with the square of the text

Read = Callable[[str], bytes]


class _Project(msgspec.Struct, frozen=True, rename="kebab"):
    name: str | None = None
    version: str | None = None
    requires_python: str | None = None
    dependencies: list[str] = []


class _ProjectFile(msgspec.Struct, frozen=True):
    project: _Project = _Project()


class Manifest(NamedTuple):
    scripts: tuple[Script, ...]
    requires_python: str | None = None
    dependencies: tuple[str, ...] = ()


def read(sizes: dict[str, int], content: Read) -> Manifest:
    """The manifest of an archive with files of these sizes; `content` unpacks one of them.

    Raises BadPackage if its pyproject.toml cannot be read.
    """
    project = _project(sizes, content)
    return Manifest(
        scripts=tuple(_scripts(sizes, content)),
        requires_python=project.requires_python,
        dependencies=tuple(project.dependencies),
    )


def _scripts(sizes: dict[str, int], content: Read) -> Iterator[Script]:
    """What is beyond the limits is listed without its functions, and refuses nothing."""
    scripts = source_bytes = parsed_characters = schemas_bytes = 0
    for path in sorted(path for path in sizes if path.endswith(".py")):
        if (
            sizes[path] > MAX_SCRIPT_BYTES
            or source_bytes + sizes[path] > MAX_SCRIPTS_BYTES
            or scripts >= MAX_SCRIPTS
            or parsed_characters >= MAX_PARSED_CHARACTERS
        ):
            yield Script(path=path, is_complete=False)
            continue
        script, parsed = _script(path, content(path))
        scripts, source_bytes = scripts + 1, source_bytes + sizes[path]
        parsed_characters += parsed
        schemas_bytes += len(msgspec.json.encode(script))
        if schemas_bytes > MAX_SCHEMAS_BYTES:
            script = Script(path=path, is_complete=False)
        yield script


def _script(path: str, source: bytes) -> tuple[Script, int]:
    """A script, and how many characters of it were parsed."""
    text = _decoded(source)
    if text is None:
        return Script(path=path, is_complete=False), 0
    entrypoints, parsed_characters = [], 0
    found = functions.of(text)
    for function in islice(found, MAX_ENTRYPOINTS):
        entrypoints.append(_entrypoint(function))  # at once: its syntax tree is large
        parsed_characters += function.parsed_characters
    main = ENTRYPOINT if any(entry.name == ENTRYPOINT for entry in entrypoints) else None
    is_complete = next(found, None) is None
    script = Script(path=path, entrypoint=main, entrypoints=entrypoints, is_complete=is_complete)
    return script, parsed_characters


def _decoded(source: bytes) -> str | None:
    """The text of a script; None in an encoding not known here: it may be for another Python."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        if codecs.lookup(encoding).name in _SLOW_ENCODINGS:
            return None
        return source.decode(encoding)
    except (SyntaxError, ValueError, LookupError):
        return None


def _entrypoint(found: functions.Function) -> Entrypoint:
    if found.definition is None:
        return Entrypoint(name=found.name)
    return Entrypoint(
        name=found.name,
        description=_first_line(found.definition),
        parameters_schema=schema_of(found.definition),
    )


def _first_line(node: functions.Definition) -> str | None:
    described = (ast.get_docstring(node) or "").partition("\n")[0][:200]
    # Half a character can stand in a script's text, and nowhere else.
    return described.encode(errors="replace").decode() or None


def _project(sizes: dict[str, int], content: Read) -> _Project:
    size_bytes = sizes.get("pyproject.toml")
    if size_bytes is None:
        return _Project()
    if size_bytes > toml.MAX_BYTES:
        raise BadPackage("The package's pyproject.toml is too large.")
    try:
        return msgspec.convert(toml.parse(content("pyproject.toml")), _ProjectFile).project
    except ValueError as error:
        raise BadPackage(
            f"The package's pyproject.toml cannot be read: {str(error)[:200]}."
        ) from error
