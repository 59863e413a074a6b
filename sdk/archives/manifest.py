"""What a package says about itself, read and never run: its scripts, and what it needs."""

import ast
import io
import tokenize
import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from sdk.archives import BadPackage, toml
from sdk.archives.annotations import schema_of
from sdk.contract.packages import Entrypoint, Script

MAX_PARSED_SCRIPTS = 500
MAX_SCRIPT_BYTES = 256 * 1024
MAX_PARSED_BYTES = 4 * 1024 * 1024
MAX_ENTRYPOINTS = 100
MAX_SCHEMAS_BYTES = 256 * 1024  # of a whole package; it stands in every list of packages
ENTRYPOINT = "main"

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


def _scripts(sizes: dict[str, int], content: Read) -> Iterable[Script]:
    parsed_scripts = parsed_bytes = schemas_bytes = 0
    for path in sorted(path for path in sizes if path.endswith(".py")):
        size_bytes = sizes[path]
        fits = size_bytes <= MAX_SCRIPT_BYTES and parsed_bytes + size_bytes <= MAX_PARSED_BYTES
        if not fits or parsed_scripts >= MAX_PARSED_SCRIPTS:
            yield Script(path=path)
            continue
        parsed_scripts, parsed_bytes = parsed_scripts + 1, parsed_bytes + size_bytes
        script = _script(path, content(path))
        schemas_bytes += len(msgspec.json.encode(script))
        yield script if schemas_bytes <= MAX_SCHEMAS_BYTES else Script(path=path)


def _script(path: str, source: bytes) -> Script:
    """A script that this Python cannot parse may be for another one: it is listed bare."""
    tree = _parsed(source)
    if tree is None:
        return Script(path=path)
    entrypoints = [
        Entrypoint(name=node.name, description=_first_line(node), parameters_schema=schema_of(node))
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    ][:MAX_ENTRYPOINTS]
    has_main = any(entry.name == ENTRYPOINT for entry in entrypoints)
    return Script(path=path, entrypoint=ENTRYPOINT if has_main else None, entrypoints=entrypoints)


def _parsed(source: bytes) -> ast.Module | None:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about their code, not ours
            return ast.parse(source.decode(encoding))
    except (SyntaxError, ValueError, LookupError, RecursionError, MemoryError):
        return None


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
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
