"""The one place where JSON from outside is parsed: what two parsers could read differently,
or a database could not keep, is refused (RFC 8259 leaves it open)."""

import json
import math
import re
from typing import Any

from orchestrator_server.errors import Malformed

MAX_DEPTH = 64
MAX_KEYS = 1000
_INT64 = range(-(2**63), 2**63)
_OUTSIDE_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?|([\[{])|([\]}])', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff\x00]")


def decode(body: bytes) -> Any:
    """The value of `body`; Malformed, with a sentence that says why, if it has none."""
    try:
        return read(body.decode())
    except UnicodeDecodeError as error:
        raise Malformed("The body is not UTF-8.") from error


def read(text: str) -> Any:
    """The value of `text`, which may be a text within a body; Malformed as in `decode`."""
    _check_depth(text)
    try:
        value = _DECODER.decode(text)
    except ValueError as error:  # a JSONDecodeError is one
        raise Malformed(f"The body is not JSON we read: {_reason(error)}.") from error
    if "\\u" in text:
        _check_characters(value)
    return value


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _OUTSIDE_STRINGS.finditer(text):
        depth += bool(token[1]) - bool(token[2])
        if depth > MAX_DEPTH:
            raise Malformed(f"The body is nested more than {MAX_DEPTH} deep.")


def _check_characters(value: Any) -> None:
    """Only an escape can bring a NUL, which PostgreSQL refuses, or half a character."""
    if isinstance(value, str):
        if _SURROGATE.search(value):
            raise Malformed("A text in the body has a NUL or half a character in it.")
    elif isinstance(value, list):
        for item in value:
            _check_characters(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_characters(key)
            _check_characters(item)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    if len(found) > MAX_KEYS:
        raise ValueError(f"an object has more than {MAX_KEYS} keys")
    return found


def _int(digits: str) -> int:
    if len(digits) > 20 or (number := int(digits)) not in _INT64:
        raise ValueError("a number is outside 64 bits")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant
)
