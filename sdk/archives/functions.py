"""The functions at the top level of a script, found without parsing the script.

The syntax tree of a hostile source takes a thousand times its size, and minutes if it is one long
f-string. What is wanted of it is little: a scan in linear time skips strings and comments, and only
the head of each function, which is short, is parsed.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

MAX_SIGNATURE_CHARACTERS = 4096
MAX_DOCSTRING_CHARACTERS = 16 * 1024

# A string without an end reaches to the end of the line or of the text, which keeps the scan
# linear. An f-string that holds quotes of its own kind (Python 3.12) is taken for several strings.
_STRINGS = r'''
    """ (?: [^"\\] | \\. | "(?!"") )*+ (?: """ | \\? \Z )
  | \'\'\' (?: [^'\\] | \\. | '(?!'') )*+ (?: \'\'\' | \\? \Z )
  | " (?: [^"\\\n] | \\. )*+ "?
  | ' (?: [^'\\\n] | \\. )*+ '?
'''
_FLAGS = re.VERBOSE | re.DOTALL | re.MULTILINE
_DEFINITION = re.compile(
    rf"{_STRINGS} | \#[^\n]*+ | ^(?:async[ \t]+)?def[ \t]+(?P<name>\w+)[ \t]*(?=[\[(])", _FLAGS
)
_IN_SIGNATURE = re.compile(rf"{_STRINGS} | \#[^\n]*+ | (?P<mark>[\[\](){{}}:])", _FLAGS)
_DOCSTRING = re.compile(
    rf"[ \t]*+ (?: (?:\#[^\n]*+)? \n [ \t]*+ )*+ (?P<text>[rRuU]?(?:{_STRINGS}))"
    r"(?=[ \t]*+(?:[\n;\#]|\Z))",
    _FLAGS,
)

Definition = ast.FunctionDef | ast.AsyncFunctionDef


class Function(NamedTuple):
    name: str
    definition: Definition | None = None  # without its body; None if it cannot be parsed here
    parsed_characters: int = 0


def of(source: str) -> Iterator[Function]:
    """The public functions of a script, in their order. Nothing of it is run."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    for found in _DEFINITION.finditer(text):
        name = found["name"]
        if name and not name.startswith("_"):
            yield _function(name, text, found.start(), found.end())


def _function(name: str, text: str, start: int, parameters_at: int) -> Function:
    end = _end_of_signature(text, parameters_at)
    if end is None:
        return Function(name)
    docstring = _DOCSTRING.match(text, end, end + MAX_DOCSTRING_CHARACTERS)
    head = f"{text[start:end]} {docstring['text'] if docstring else 'pass'}"
    return Function(name, _parsed(head), len(head))


def _end_of_signature(text: str, start: int) -> int | None:
    """Where the body begins, behind the colon; None if that is too far away."""
    depth = 0
    for token in _IN_SIGNATURE.finditer(text, start, start + MAX_SIGNATURE_CHARACTERS):
        mark = token["mark"]
        if mark == ":" and not depth:
            return token.end()
        if mark:
            depth += (mark in "[({") - (mark in "])}")
    return None


def _parsed(head: str) -> Definition | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about their code, not ours
            [node] = ast.parse(head).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return node if isinstance(node, Definition) else None
