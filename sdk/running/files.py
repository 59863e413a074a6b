"""Reads small files of a package: regular ones alone, within a limit, and never through a link."""

import codecs
import io
import os
import tokenize
from io import BufferedReader
from pathlib import Path

from sdk.running import regular_files

_MARKS = (  # the longer ones first: one begins as another does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Unreadable(Exception):
    """The message says why, and begins with the name of the file."""


def opened(file: Path) -> BufferedReader:
    """Unreadable if `file` is a link, or no regular file."""
    try:
        return regular_files.opened(file)
    except OSError as error:
        reason = str(error.strerror or error).rstrip(".")
        raise Unreadable(f"{file.name} cannot be read: {reason}.") from error


def read(file: Path, limit: int) -> bytes:
    """The content of `file`; Unreadable if it is no regular file or has more than `limit` bytes."""
    with opened(file) as opening:
        size = os.fstat(opening.fileno()).st_size
        content = opening.read(min(size, limit) + 1)
    if len(content) > limit:
        raise Unreadable(f"{file.name} is larger than {limit} bytes.")
    return content


def decode(content: bytes) -> str:
    """Text by its byte order mark or its coding line (PEP 263), else UTF-8.

    Raises ValueError, LookupError or SyntaxError if it is not what it says.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    return content.decode(encoding)
