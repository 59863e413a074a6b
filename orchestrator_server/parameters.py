"""Whether the parameters of a job fit the schema of its process. Pure.

Schemas are JSON Schema 2020-12, of which we take what cannot harm: no `pattern`, since a
regular expression can keep a server busy for ever, no `uniqueItems`, which compares each with
each, and no `$ref`, which could lead elsewhere. The time of a check is limited: `anyOf` tries each
of its schemas on each value.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from orchestrator_server.errors import Invalid

MAX_DEPTH = 20
MAX_NODES = 1_000
MAX_CHECK_SECONDS = 1.0
SHOWN_CHARACTERS = 200

_KEYWORDS = frozenset(
    {
        *("$schema", "title", "description", "default", "examples", "format"),
        *("type", "enum", "const", "allOf", "anyOf", "oneOf"),
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        *("items", "prefixItems", "minItems", "maxItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength"),
    }
)
# What annotations of scripts come to, read as the script will read it.
_FORMATS: dict[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "uuid": UUID,
}
_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_OF_TEXTS = ("type", "required")
_NAMES_NO_VALUE = {"required", "additionalProperties"}  # their messages name fields alone


def check_schema(schema: dict[str, Any], *, pointer: str = "#/parameters_schema") -> None:
    """Raise Invalid if this is no schema for the parameters of a process."""
    from jsonschema import Draft202012Validator, SchemaError

    if schema.get("type") != "object":
        raise Invalid('Parameters are an object: say "type": "object".', pointer=pointer)
    _check_keywords(schema, pointer)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = "".join(f"/{part}" for part in error.path)
        raise Invalid(
            f"The schema is not valid: {error.message[:SHOWN_CHARACTERS]}", pointer=pointer + where
        ) from error


def check(
    parameters: dict[str, Any], schema: dict[str, Any], *, pointer: str = "#/parameters"
) -> None:
    """Raise Invalid, for the first thing that does not fit, if `parameters` break `schema`."""
    text = msgspec.json.encode(schema, order="sorted").decode()
    validator = _validator(text)
    _deadline.set(time.thread_time() + MAX_CHECK_SECONDS)
    error = next(validator.iter_errors(parameters), None)
    if error is None:
        return
    where = "".join(f"/{_escaped(str(part))}" for part in error.path)
    raise Invalid(f"The parameters do not fit: {_said(error)}.", pointer=pointer + where)


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.validators import extend
    from referencing import Registry

    timed = {name: _timed(keyword) for name, keyword in Draft202012Validator.VALIDATORS.items()}
    formats = FormatChecker(formats=())
    for name, read in _FORMATS.items():
        formats.checks(name, raises=ValueError)(lambda text, read=read: _fits(text, read))
    return extend(Draft202012Validator, timed)(  # type: ignore[no-untyped-call]
        msgspec.json.decode(schema), registry=Registry(), format_checker=formats
    )


_deadline: ContextVar[float] = ContextVar("deadline")  # in the time of this thread


def _timed(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def check(*arguments: Any) -> Any:
        if time.thread_time() > _deadline.get():
            raise Invalid(
                "The parameters take too long to check; send fewer, or simplify the schema of the "
                "process.",
                pointer="#/parameters",
            )
        return keyword(*arguments)

    return check


def _fits(value: Any, read: Callable[[str], object]) -> bool:
    """Whether a text can be read so; what is no text is the business of `type`."""
    return not isinstance(value, str) or read(value) is not None


def _said(error: Any) -> str:
    """What is wrong, without the value that was sent: it may be a secret."""
    if error.validator in _NAMES_NO_VALUE:
        return str(error.message)[:SHOWN_CHARACTERS]
    wanted = msgspec.json.encode(error.validator_value).decode()
    return f"`{error.validator}` is {wanted[:SHOWN_CHARACTERS]}"


def _check_keywords(schema: dict[str, Any], pointer: str) -> None:
    nodes = 0
    waiting: list[tuple[Any, str, int]] = [(schema, pointer, 0)]
    while waiting:
        node, where, depth = waiting.pop()
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise Invalid("The schema is too deep or too large.", pointer=where)
        if not isinstance(node, dict):
            continue
        if unknown := sorted(set(node) - _KEYWORDS):
            raise Invalid(
                f"A parameters schema cannot use {unknown[0][:50]!r}; it uses only "
                f"{', '.join(sorted(_KEYWORDS))}.",
                pointer=where,
            )
        _check_texts(node, where)
        waiting += [(sub, f"{where}/{name}", depth + 1) for name, sub in _inner(node)]


def _check_texts(node: dict[str, Any], where: str) -> None:
    """A list of anything else is compared each with each by the schema of schemas."""
    for name in _OF_TEXTS:
        texts = node.get(name)
        if isinstance(texts, list) and not all(isinstance(text, str) for text in texts):
            raise Invalid(f"`{name}` is a list of texts.", pointer=f"{where}/{name}")


def _inner(node: dict[str, Any]) -> list[tuple[str, Any]]:
    """The schemas in a schema."""
    found: list[tuple[str, Any]] = [
        (name, node[name]) for name in ("items", "additionalProperties") if name in node
    ]
    for name in _OF_SCHEMAS:
        if isinstance(node.get(name), list):
            found += [(f"{name}/{i}", sub) for i, sub in enumerate(node[name])]
    if isinstance(properties := node.get("properties"), dict):
        found += [(f"properties/{_escaped(str(k))}", sub) for k, sub in properties.items()]
    return found


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")  # RFC 6901, 3
