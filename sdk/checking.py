"""What is wrong with a package, all of it at once, with file and line. Nothing of it is run."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sdk import packaging, project


class Mistake(NamedTuple):
    file: str
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


def check(folder: Path) -> list[Mistake]:
    try:
        files = packaging.files_of(folder)
    except packaging.CannotPack as error:
        return [Mistake(str(folder), None, str(error))]
    trees: dict[str, ast.Module | None] = {}
    mistakes = list(_names(folder)) + list(_clashes(files))
    for name, path in files.items():
        if name.endswith(".py"):
            trees[name], found = _parsed(name, path)
            mistakes += found
    return mistakes + list(_processes(folder, trees))


def _names(folder: Path) -> Iterator[Mistake]:
    try:
        packaging.name_and_version(folder)
    except packaging.CannotPack as error:
        yield Mistake("pyproject.toml", None, str(error))


def _clashes(files: dict[str, Path]) -> Iterator[Mistake]:
    """Two names that some disk takes for one."""
    seen: dict[str, str] = {}
    for name in files:
        if (other := seen.setdefault(name.casefold(), name)) != name:
            yield Mistake(name, None, f"{other} is the same name where case does not count.")


def _parsed(name: str, path: Path) -> tuple[ast.Module | None, list[Mistake]]:
    try:
        return ast.parse(path.read_bytes(), name), []
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
        file, _, function = plan.script.partition(":")
        if file not in trees:
            yield Mistake("pyproject.toml", None, f"process {name} wants {file}: no such file.")
        elif function and (tree := trees[file]) and function not in _functions(tree):
            there = ", ".join(sorted(_functions(tree))) or "none"
            yield Mistake(
                file, None, f"process {name} wants the function {function}; there is {there}."
            )


def _functions(tree: ast.Module) -> set[str]:
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
