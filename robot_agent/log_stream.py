"""Send a growing log file to the server, in order, each byte once.

A chunk is known by where it starts, so sending it again after a lost answer is harmless. While
the server is away the output waits in the file.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from sdk.contract.runner import LogAnswer
from sdk.errors import LogGap, Refused
from sdk.robot_client import LOG_CHUNK_BYTES

LOOK_SECONDS = 0.2

Send = Callable[[int, bytes], Awaitable[LogAnswer]]

log = logging.getLogger(__name__)


class _Enough(Exception):
    """The server takes no more of this log."""


async def follow(path: Path, *, ended: asyncio.Event, send: Send) -> int:
    """Return where the server's log ends, once the process has ended or no more is taken."""
    offset = 0
    with suppress(_Enough):
        while True:
            last_look = ended.is_set()  # read before the file: what comes after must not be missed
            offset = await _send_from(path, offset, send)
            if last_look:
                break
            await _first_of(ended, LOOK_SECONDS)
    return offset


async def _send_from(path: Path, offset: int, send: Send) -> int:
    while chunk := await asyncio.to_thread(_read, path, offset):
        offset = await _send(offset, chunk, send)
    return offset


async def _send(offset: int, chunk: bytes, send: Send) -> int:
    try:
        answer = await send(offset, chunk)
    except LogGap as gap:
        # It lost what it had, so go back; forward, or to the same place, leads nowhere.
        if gap.next_offset < offset:
            return gap.next_offset
        log.warning("The server's log does not fit ours; the rest of the log is not sent.")
        raise _Enough from gap
    except Refused as refusal:
        # A log never decides about a result: give up the one, go on with the other.
        log.warning("The server refused output, so the rest is not sent: %s", refusal)
        raise _Enough from refusal
    if answer.truncated:
        log.info("The log has reached the server's limit; the rest is not sent.")
        raise _Enough
    if answer.next_offset <= offset:
        log.warning("The server's log does not grow; the rest of the log is not sent.")
        raise _Enough
    return answer.next_offset


def _read(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(LOG_CHUNK_BYTES)
    except FileNotFoundError:
        return b""  # the job is not that far yet


async def _first_of(ended: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
