"""Reads small files of a package: regular ones alone, within a limit, and never through a link."""

import codecs
import io
import os
import stat
import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe does not keep its reader waiting
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_MARKS = (  # the longer ones first: one begins as another does
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Unreadable(Exception):
    """The message says why, and begins with the name of the file."""


@contextmanager
def opened(file: Path) -> Iterator[BufferedReader]:
    """Unreadable if `file` is a link, or no regular file."""
    try:
        descriptor = os.open(file, _FLAGS)
    except OSError as error:
        raise Unreadable(f"{file.name} cannot be read: {error.strerror or error}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(f"{file.name} is not a regular file.")
    with open(descriptor, "rb") as content:  # noqa: PTH123 -- by its descriptor
        yield content


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
