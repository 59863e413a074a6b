"""From the parameters of a job to the arguments of a function, and from what it returns to JSON.

JSON has no paths, dates or enumerations; an annotation says which of them a text stands for.
"""

import inspect
import typing
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any
from uuid import UUID

# From the narrowest on: a datetime is a date too.
_FROM_TEXT: dict[type, Callable[[Any], Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    Path: Path,
    UUID: UUID,
    Decimal: lambda value: Decimal(str(value)),
}


class DoNotFit(Exception):
    """The parameters cannot be the arguments of the function; the message says which, and why."""


def converted(function: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """The arguments for `function`; DoNotFit before it is called, not in the middle of it."""
    signature = inspect.signature(function)
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise DoNotFit(f"The parameters do not fit {function.__name__}(): {error}.") from error
    try:
        hints = typing.get_type_hints(function)
    except Exception:
        return parameters  # an annotation that cannot be resolved says nothing
    return {
        name: _named(name, value, hints[name]) if name in hints else value
        for name, value in parameters.items()
    }


def as_json(value: Any) -> Any:
    """Dataclasses, dates, paths and the like as JSON has them; what is left is job.result's."""
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value))
    if isinstance(value, dict):
        return {as_json(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item) for item in value]
    if isinstance(value, Enum):
        return as_json(value.value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Path | UUID | Decimal) else value


def _named(name: str, value: Any, wanted: Any) -> Any:
    try:
        return _as(value, wanted)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise DoNotFit(f"The parameter {name} does not fit: {error}.") from error


def _as(value: Any, wanted: Any) -> Any:
    origin, parts = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is typing.Annotated:
        return _as(value, parts[0])
    if origin in (typing.Union, UnionType):
        return _as_one_of(value, parts)
    if origin is typing.Literal:
        return _as_literal(value, parts)
    if origin in (list, set, frozenset, tuple) and isinstance(value, list):
        items = parts[:1] if parts else (Any,)
        return origin(_as(item, items[0]) for item in value)
    if origin is dict and isinstance(value, dict) and len(parts) == 2:
        return {key: _as(item, parts[1]) for key, item in value.items()}
    return _as_plain(value, wanted)


def _as_one_of(value: Any, kinds: tuple[Any, ...]) -> Any:
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is not type(None):
            try:
                return _as(value, kind)
            except (ValueError, TypeError, InvalidOperation):
                continue  # another kind may fit
    raise ValueError(f"{value!r} is none of {', '.join(map(_name, kinds))}")


def _as_literal(value: Any, allowed: tuple[Any, ...]) -> Any:
    for one in allowed:
        if type(one) is type(value) and one == value:  # 1 is not True
            return value
    raise ValueError(f"{value!r} is none of {', '.join(map(repr, allowed))}")


def _as_plain(value: Any, wanted: Any) -> Any:
    if not isinstance(wanted, type):
        return value
    if issubclass(wanted, Enum):
        return wanted(value)
    if wanted in _FROM_TEXT:
        if not isinstance(value, str) and wanted is not Decimal:
            raise ValueError(f"{value!r} is not the text of a {_name(wanted)}")
        return _FROM_TEXT[wanted](value)
    if wanted in (str, int, float, bool) and not _is(value, wanted):
        article = "an" if wanted is int else "a"
        raise ValueError(f"{value!r} is not {article} {_name(wanted)}")
    return float(value) if wanted is float else value


def _is(value: Any, wanted: type) -> bool:
    if isinstance(value, bool) or wanted is bool:
        return isinstance(value, bool) and wanted is bool
    return isinstance(value, int | float) if wanted is float else isinstance(value, wanted)


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
