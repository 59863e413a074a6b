"""`--param name=value`: JSON where it is JSON, else text. `name='"7"'` is the text 7."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def options(command: F) -> F:
    """`--param` and `--params-file`, to be read with `given`."""
    one = click.option(
        "--param",
        "params",
        multiple=True,
        metavar="NAME=VALUE",
        help="A parameter; 7, true, [1] and {} are JSON, all else is text. Can be repeated.",
    )
    all_ = click.option(
        "--params-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with a JSON object of parameters; --param wins over it.",
    )
    return one(all_(command))


def given(params: tuple[str, ...], params_file: Path | None) -> dict[str, Any]:
    found = _from_file(params_file) if params_file else {}
    for param in params:
        name, sign, text = param.partition("=")
        if not sign or not name:
            raise click.UsageError(f"--param {param}: say NAME=VALUE.")
        found[name] = _value(text)
        _check(name, found[name])
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text


def _no_json(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _check(name: str, value: Any) -> None:
    """UsageError for what would not arrive as it was said."""
    try:
        json.dumps([name, value], allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise click.UsageError(f"--param {name!r}: it is not text in UTF-8.") from error
    except ValueError as error:
        raise click.UsageError(f"--param {name}: a number is out of range.") from error


def _from_file(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{path} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"{path} holds no JSON object.")
    for name, value in found.items():
        _check(name, value)
    return found
