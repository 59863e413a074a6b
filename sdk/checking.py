"""What is wrong with a package, all of it at once, with file and line. Nothing of it is run."""

import ast
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sdk import packaging, project
from sdk.archives import BadPackage, archive, manifest
from sdk.running import needs
from sdk.running.files import Unreadable

INCOMPLETE = (
    "It is too large, or has too much in it, to be read as a whole: the parameters of its "
    "functions are not known, so they are not checked when a job is started."
)


class Mistake(NamedTuple):
    file: str
    line: int | None
    text: str
    is_warning: bool = False  # the package may be published all the same

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


def check(folder: Path) -> list[Mistake]:
    """By the rules of the server, which are the same code, and by its own."""
    try:
        files = packaging.files_of(folder)
    except packaging.CannotPack as error:
        return [Mistake(str(folder), None, str(error))]
    trees: dict[str, ast.Module | None] = {}
    mistakes = list(_names(folder))
    for name, path in files.items():
        if name.endswith(".py"):
            trees[name], found = _parsed(name, path)
            mistakes += found
    return mistakes + list(_archive(folder)) + list(_processes(folder, trees))


def _archive(folder: Path) -> Iterator[Mistake]:
    with tempfile.TemporaryDirectory(prefix="sdk-check-") as scratch:
        try:
            name, version = project.name_and_version(folder)
            packed = packaging.pack(
                folder, Path(scratch), name=name or "package", version=version or "0.0.0"
            )
            for script in archive.inspect(packed).scripts:
                if not script.is_complete:
                    yield Mistake(script.path, None, INCOMPLETE, is_warning=True)
            yield from _needs(folder, packed, Path(scratch))
        except BadPackage as error:
            yield Mistake(folder.name or str(folder), None, str(error))
        except (packaging.CannotPack, project.BadProject):
            return  # the name or the version, which are told by themselves


def _needs(folder: Path, packed: Path, scratch: Path) -> Iterator[Mistake]:
    """What a robot could not read of what the scripts need, from what it would get."""
    work = scratch / "unpacked"
    with zipfile.ZipFile(packed) as content:
        content.extractall(work)
    plans = project.processes(folder).values()
    scripts = {plan.script.partition(":")[0] for plan in plans} or {"main.py"}
    told = set()
    for script in sorted(scripts):
        if not (work / script).is_file():
            continue  # told by itself
        try:
            needs.of(work, work / script)
        except Unreadable as error:
            told.add(str(error))
    yield from (Mistake(folder.name, None, message) for message in sorted(told))


def _names(folder: Path) -> Iterator[Mistake]:
    try:
        packaging.name_and_version(folder)
    except packaging.CannotPack as error:
        yield Mistake("pyproject.toml", None, str(error))


def _parsed(name: str, path: Path) -> tuple[ast.Module | None, list[Mistake]]:
    try:
        if path.stat().st_size > manifest.MAX_SCRIPT_BYTES:
            return None, []  # the archive's check says so
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as invalid escapes, which are no mistakes
            return ast.parse(path.read_bytes(), name), []
    except (RecursionError, MemoryError):
        text = "It is nested too deeply to be checked."
        return None, [Mistake(name, None, text, is_warning=True)]
    except SyntaxError as error:
        return None, [Mistake(name, error.lineno, f"{error.msg}.")]
    except ValueError as error:  # a NUL in the text
        return None, [Mistake(name, None, f"{error}.")]


def _processes(folder: Path, trees: dict[str, ast.Module | None]) -> Iterator[Mistake]:
    try:
        plans = project.processes(folder)
    except project.BadProject as error:
        yield Mistake("pyproject.toml", None, str(error))
        return
    for name, plan in plans.items():
        file, colon, function = plan.script.partition(":")
        if file not in trees:
            yield Mistake("pyproject.toml", None, f"process {name} wants {file}: no such file.")
        elif colon and not function:
            yield Mistake("pyproject.toml", None, f"process {name} names no function after {file}:")
        elif function and (tree := trees[file]) and function not in _functions(tree):
            there = ", ".join(sorted(_functions(tree))) or "none"
            yield Mistake(
                file, None, f"process {name} wants the function {function}; there is {there}."
            )


def _functions(tree: ast.Module) -> set[str]:
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
