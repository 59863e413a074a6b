"""TOML of strangers: parsed only if that is cheap.

tomllib keeps every prefix of a dotted key, so its memory grows with the square of a key's parts,
and a key below a table costs as much as the table's name is long. A scan in linear time refuses
what is expensive before tomllib runs.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

MAX_BYTES = 256 * 1024
MAX_KEY_PARTS = 16
MAX_NESTING = 20
# A table, a list and a part of a key cost tomllib up to 1 KiB each. A small file may consist of
# them; a large one is a lock file, most of which is addresses and hashes.
FREE_ITEMS = 10_000
BYTES_PER_ITEM = 40
SHOWN_CHARACTERS = 200  # of an error, which may quote a key
MAX_WORD_CHARACTERS = 1_000  # a long number costs 150 bytes per digit

# Strings and comments end where they end for tomllib. One without an end is an error there, so it
# may reach to the end of the text here, which keeps the scan linear.
_TOKEN = re.compile(
    r'''
      """ (?: [^"\\] | \\. | "(?!"") )*+ (?: "{3,5} | \\? \Z )
    | \'\'\' (?: [^'] | '(?!'') )*+ (?: '{3,5} | \Z )
    | " (?: [^"\\\n] | \\[^\n] )*+ "?
    | ' [^'\n]*+ '?
    | \# [^\n]*+
    | (?P<word> [\w+:-]++ )
    | (?P<mark> [\[\]{}=.,\n] )
    ''',
    re.VERBOSE | re.DOTALL,
)


def read(file: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The tables of a regular file. Raises OSError, or ValueError as `parse` does."""
    if file.exists() and not file.is_file():
        raise ValueError("it is not a regular file")
    with file.open("rb") as stream:
        return parse(stream.read(max_bytes + 1), max_bytes=max_bytes)


def parse(content: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises ValueError, with the reason, if it is not TOML or would cost too much to parse.
    """
    if len(content) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes // 1024:,} KiB")
    text = content.decode("utf-8-sig")
    _check_cost(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error)[:SHOWN_CHARACTERS]) from error
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is too large or too deep") from error


def _check_cost(text: str) -> None:
    items_left = FREE_ITEMS + len(text) // BYTES_PER_ITEM
    nesting = dots = 0
    for token in _TOKEN.finditer(text):
        if len(token["word"] or "") > MAX_WORD_CHARACTERS:
            raise ValueError(f"a key or number has more than {MAX_WORD_CHARACTERS} characters")
        if (mark := token["mark"]) is None:
            continue
        dots = dots + 1 if mark == "." else 0
        nesting += (mark in "[{") - (mark in "]}")
        items_left -= mark in ".[{" or (mark == "=" and not nesting)
        if dots >= MAX_KEY_PARTS:
            raise ValueError(f"a key has more than {MAX_KEY_PARTS} parts")
        if nesting > MAX_NESTING:
            raise ValueError(f"it is nested more than {MAX_NESTING} levels deep")
        if items_left < 0:
            raise ValueError("it has too many keys, tables and lists for its size")
