"""What a script said at its end, for the message of its failure: its exception, or its last line.

A function says itself why it failed (`sdk/runtime/call.py`). Of a script that is run as a whole,
its output is all there is. Pure.
"""

import re
from collections.abc import Callable

import msgspec

from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport
from sdk.masking.mask import Mask

TAIL_BYTES = 64 * 1024
MOST_CHARACTERS = 1000
EXITED = "The script exited with status "  # how a message begins that gives no reason
_COLORS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")  # ECMA-48, 5.4
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TRACEBACK = "Traceback (most recent call last):"
_GROUP = f"  + Exception Group {_TRACEBACK}"
_GROUP_MARGIN = "  | "
# Before the traceback of an exception that did not end the script.
_IGNORED = ("Exception ignored in", "Error in atexit", "--- Logging error")


class Passing:
    """Hands output on, and keeps the end of it."""

    def __init__(self, to: Callable[[bytes], object]) -> None:
        self._to = to
        self._kept = bytearray()

    def __call__(self, piece: bytes) -> None:
        self._to(piece)
        self._kept.extend(piece)
        del self._kept[:-TAIL_BYTES]

    def tail(self) -> bytes:
        return bytes(self._kept)


def added(report: JobReport, tail: bytes, mask: Mask) -> JobReport:
    """The report, with what the script said at its end if it gives no other reason. `tail` is the
    end of the output, at most TAIL_BYTES of it; it is masked before a line is taken out of it."""
    message = report.error_message or ""
    if report.reason is not Reason.SCRIPT_FAILED or not message.startswith(EXITED):
        return report
    if words := _last_words(_covered(tail, mask)):
        words = words if words.endswith((".", "!", "?", "…")) else f"{words}."
        return msgspec.structs.replace(report, error_message=f"{words} {message}")
    return report


def _covered(tail: bytes, mask: Mask) -> str:
    covered = mask.cover(tail)
    if len(tail) >= TAIL_BYTES:  # a secret may have begun before it
        covered = covered[mask.longest_bytes :].partition(b"\n")[2]
    return _COLORS.sub("", covered.decode(errors="replace"))


def _last_words(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    header, exception = _traceback(lines)
    while header and exception == len(lines) - 1 and lines[header - 1].startswith(_IGNORED):
        lines = lines[: header - 1]
        header, exception = _traceback(lines)
    if not lines:
        return ""
    if exception is None:
        return _short(lines[-1].strip())
    words = _short(lines[exception].removeprefix(_GROUP_MARGIN))
    if exception == len(lines) - 1:
        return words
    return _short(f"{words} … {lines[-1].strip()}")  # its text goes on, or something else was said


def _traceback(lines: list[str]) -> tuple[int | None, int | None]:
    """Where the last traceback begins, and the line that names its exception."""
    header = next(
        (i for i in reversed(range(len(lines))) if lines[i] in (_TRACEBACK, _GROUP)), None
    )
    if header is None:
        return None, None
    margin = _GROUP_MARGIN if lines[header] == _GROUP else ""
    after = range(header + 1, len(lines))
    return header, next((i for i in after if not lines[i].removeprefix(margin)[0].isspace()), None)


def _short(text: str) -> str:
    text = _CONTROLS.sub(" ", text)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
