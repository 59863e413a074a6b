"""How every command talks: data on stdout, words on stderr, an exit status that says it all."""

import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Any, Self

import click

from sdk.escapes import LogFilter, clean, clean_json

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Exit(IntEnum):
    OK = 0
    ERROR = 1
    USAGE = 2
    JOB_FAILED = 3
    SIGN_IN = 4
    NOT_FOUND = 5
    WAITS = 6  # published, and a process waits until somebody releases its change
    INTERRUPTED = 130
    UNREAD = 141  # as of one that SIGPIPE ended


class Failure(click.ClickException):
    """Ends the command with a sentence on stderr and this exit status."""

    def __init__(self, message: str, exit_code: Exit = Exit.ERROR) -> None:
        super().__init__(clean(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def say(text: str) -> None:
    click.echo(clean(text), err=True)


def show_all_texts() -> None:
    """What the terminal has no letter for is shown as its number, and ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def leave_quietly() -> None:
    """Nobody reads stdout any more (`| head`); nothing more is written to it."""
    with suppress(OSError, ValueError):  # a stdout that is no file is nobody's pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_watched() -> bool:
    """Whether a person sees what we say."""
    return sys.stderr.isatty()


def show(value: Any, text: str, *, as_json: bool) -> None:
    """`value` as JSON if it was asked for, else `text`, which says the same to a person."""
    click.echo(_json(value) if as_json else clean(text))


def table(rows: Iterable[Sequence[object]], heads: Sequence[str]) -> str:
    """Columns, each as wide as its widest text; no head and no line if there are no rows."""
    texts = [[_cell(value) for value in row] for row in rows]
    if not texts:
        return ""
    widths = [max(len(row[i]) for row in [heads, *texts]) for i in range(len(heads))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(heads), *texts]
    ]
    return "\n".join(lines)


class LogOutput:
    """Where the bytes of a log go: a terminal gets no control sequences but colors; a pipe or a
    file gets them as they are, and with `raw` a terminal too."""

    def __init__(self, *, to_stderr: bool = False, raw: bool = False) -> None:
        is_terminal = (sys.stderr if to_stderr else sys.stdout).isatty()
        self._to_stderr = to_stderr
        self._filter = LogFilter() if is_terminal and not raw else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._filter and (rest := self._filter.rest()):
            click.echo(rest, nl=False, err=self._to_stderr)

    def write(self, piece: bytes) -> None:
        shown = self._filter.shown(piece) if self._filter else piece
        click.echo(shown, nl=False, err=self._to_stderr)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return clean(str(value)).replace("\n", "?")


def _json(value: Any) -> str:
    import msgspec

    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return clean_json(json.dumps(msgspec.to_builtins(value), ensure_ascii=not is_utf8, indent=2))
