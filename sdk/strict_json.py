"""JSON as the orchestrator takes it, for server, robots and scripts alike.

What two parsers could read differently, or a database could not keep, is refused (RFC 8259 leaves
it open). The standard library alone: scripts import it too.
"""

import json
import math
import re

TYPE_CHECKING = False  # importing `typing` for it would cost each script some milliseconds
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 64
VALUE_DEPTH = MAX_DEPTH - 1  # of a value that is a field of a message, as a result is
MAX_KEYS = 1000
REPLACEMENT = "\ufffd"
_INT64 = range(-(2**63), 2**63)
# A text is taken in runs, so that what a long one costs grows with its length alone.
_OUTSIDE_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|([\[{])|([\]}])', re.DOTALL)
_UNFIT = re.compile("[\ud800-\udfff\x00]")


class NotStrict(ValueError):
    """The text is not JSON, or is JSON that is refused; the message is the reason, a clause."""


def read(text: str, most_depth: int = MAX_DEPTH) -> "Any":
    """The value of `text`. Raises NotStrict, with a clause that says why, if it has none."""
    _check_depth(text, most_depth)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotStrict(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    if "\\u" in text:  # nothing else in UTF-8 can bring one
        _check_characters(value)
    return value


def fit(text: str) -> str:
    """The text with U+FFFD for each character that is refused: NUL, and half a surrogate pair."""
    return _UNFIT.sub(REPLACEMENT, text)


def fit_values(value: "Any") -> "Any":
    """The value with `fit` texts and keys, however deep."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, list):
        return [fit_values(item) for item in value]
    if isinstance(value, dict):
        return {fit_values(key): fit_values(item) for key, item in value.items()}
    return value


def _check_depth(text: str, most_depth: int) -> None:
    if text.count("[") + text.count("{") <= most_depth:
        return
    depth = 0
    for token in _OUTSIDE_STRINGS.finditer(text):
        depth += bool(token[1]) - bool(token[2])
        if depth > most_depth:
            raise NotStrict(f"it is nested more than {most_depth} deep")


def _check_characters(value: "Any") -> None:
    """PostgreSQL refuses a NUL, and nothing that writes UTF-8 can write half a character."""
    if isinstance(value, str):
        if _UNFIT.search(value):
            raise NotStrict("a text has a NUL or half a character in it")
    elif isinstance(value, list):
        for item in value:
            _check_characters(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_characters(key)
            _check_characters(item)


def _object(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotStrict("a key is there twice")
    if len(found) > MAX_KEYS:
        raise NotStrict(f"an object has more than {MAX_KEYS} keys")
    return found


def _int(digits: str) -> int:
    if len(digits) > 20 or (number := int(digits)) not in _INT64:
        raise NotStrict("a whole number needs more than 64 bits; write it as a text")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotStrict("a number is too large")
    return number


def _constant(name: str) -> "Any":
    raise NotStrict(f"{name} is not a number of JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant
)
