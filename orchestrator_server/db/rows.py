"""Between database rows and Structs: scalars as they are, everything else as JSON text."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from msgspec import inspect

from orchestrator_server.errors import Invalid

T = TypeVar("T")


class Json(NamedTuple):
    """Marks a value that its column keeps as JSON."""

    value: Any


_STORED_AS_JSON = (inspect.DictType, inspect.ListType, inspect.AnyType, inspect.StructType)
_read_json = msgspec.json.Decoder().decode
_write_json = msgspec.json.Encoder().encode


def decoder(type_: type[T]) -> Callable[[dict[str, Any]], T]:
    """What turns a row into a `type_`, worked out once. It may change the row it is given."""
    return cast("Callable[[dict[str, Any]], T]", _decoder(type_))  # type: ignore[arg-type]


def encode(value: Any) -> Any:
    if isinstance(value, Json):
        return None if value.value is None else _write_json(value.value).decode()
    return utc(value) if isinstance(value, datetime) else value


def utc(time: datetime) -> datetime:
    """The same moment in UTC, which is also what a time without a zone means."""
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise Invalid(f"The time {time} is beyond what a calendar holds.") from error


@cache
def _decoder(type_: Any) -> Any:
    info = inspect.type_info(type_)
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{type_} is not a Struct; a row becomes a Struct.")
    columns = tuple(field.encode_name for field in info.fields if _is_json(field.type))
    return partial(_decode, type_, columns)


def _is_json(type_: inspect.Type) -> bool:
    options = type_.types if isinstance(type_, inspect.UnionType) else (type_,)
    return any(isinstance(option, _STORED_AS_JSON) for option in options)


def _decode(type_: type[T], json_columns: tuple[str, ...], row: dict[str, Any]) -> T:
    for column in json_columns:
        if (text := row.get(column)) is not None:
            row[column] = _read_json(text)
    return msgspec.convert(row, type_, strict=False)
