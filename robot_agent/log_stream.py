"""Send a growing log to the server, in order, each byte once.

A chunk is known by where it starts, so sending it again after a lost answer is harmless. While
the server is away the output waits in the spool.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from robot_agent.link import Link
from robot_agent.secrets_read import UNKNOWN_SECRETS, Known, SecretsRead
from robot_agent.spool import CUT, Spool, cuts
from sdk.contract.runner import LogAnswer
from sdk.errors import LogGap, Refused
from sdk.robot_client import LOG_CHUNK_BYTES

LOOK_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0  # once its report is in, a log has a minute: let it be tried then

Send = Callable[[int, bytes, int], Awaitable[LogAnswer]]

log = logging.getLogger(__name__)


def sender(link: Link, job_id: int, attempt: int) -> Send:
    """Sends pieces of that attempt's log, with how many secrets are covered in each, until they
    are answered."""

    async def send(offset: int, chunk: bytes, secrets_known: int) -> LogAnswer:
        return await link.answered(
            lambda client: client.append_log(
                job_id, attempt, offset, chunk, secrets_known=secrets_known
            ),
            most_seconds=LONGEST_PAUSE_SECONDS,
        )

    return send


class _Enough(Exception):
    """The server takes no more of this log."""


async def follow(spool: Spool, *, ended: asyncio.Event, send: Send, secrets: SecretsRead) -> int:
    """Return where the server's log ends, once the process has ended or no more is taken."""
    offset = 0
    with suppress(_Enough):
        while True:
            last_look = ended.is_set()  # read before the file: what comes after must not be missed
            offset = await _send_from(spool, offset, send, secrets, is_last=last_look)
            if last_look:
                break
            await _first_of(ended, LOOK_SECONDS)
    while not ended.is_set():  # what else is sent needs to know them
        await secrets.keep_up()
        await _first_of(ended, LOOK_SECONDS)
    return offset


async def send_rest(spool: Spool, send: Send, secrets: SecretsRead) -> int:
    """Send what an earlier life of the agent did not, from where the server's log ends."""
    offset = spool.size()
    known = await secrets.ask()
    with suppress(_Enough):
        try:  # nothing, at the end of ours: where theirs ends comes back
            await send(offset, b"", known.reads)
        except LogGap as gap:
            offset = min(offset, gap.next_offset)
        except Refused as refusal:
            log.warning("The server takes no more of this log: %s", refusal)
            return offset
        offset = await _send_from(spool, offset, send, secrets, is_last=True)
    return offset


async def send_on(spool: Spool, offset: int, send: Send, secrets: SecretsRead) -> None:
    """Send what was added to a log that was sent up to there."""
    with suppress(_Enough):
        await _send_from(spool, offset, send, secrets, is_last=True)


async def _send_from(
    spool: Spool, offset: int, send: Send, secrets: SecretsRead, *, is_last: bool
) -> int:
    while True:
        known, chunk = await _piece(spool, offset, secrets, is_last)
        if not chunk:
            return offset
        offset = await _send(offset, chunk, known, send, secrets)


async def _piece(
    spool: Spool, offset: int, secrets: SecretsRead, is_last: bool
) -> tuple[Known, bytes]:
    """What can be sent from there on, without secrets; the beginning of one waits for its end."""
    while True:
        known = secrets.known
        begin, window = offset, b""
        if spool.size() > offset:  # else what is before it is not read again and again
            around = known.mask.longest_bytes + len(CUT)
            begin = max(0, offset - around)
            wanted = offset - begin + LOG_CHUNK_BYTES + around
            window = await asyncio.to_thread(spool.read, begin, wanted)
        # After the reading: what is in it was learned before.
        if await secrets.keep_up() is known:
            break
    if not window:
        return known, b""
    ends = cuts(window)
    if is_last and begin + len(window) >= spool.size():
        ends.append(len(window))
    cover = known.mask.piece
    return known, await asyncio.to_thread(cover, window, offset - begin, LOG_CHUNK_BYTES, ends)


async def _send(offset: int, chunk: bytes, known: Known, send: Send, secrets: SecretsRead) -> int:
    try:
        answer = await send(offset, chunk, known.reads)
    except LogGap as gap:
        # It lost what it had, so go back; forward, or to the same place, leads nowhere.
        if gap.next_offset < offset:
            return gap.next_offset
        log.warning("The server's log does not fit ours; the rest of the log is not sent.")
        raise _Enough from gap
    except Refused as refusal:
        if refusal.is_about(UNKNOWN_SECRETS) and await secrets.is_more_than(known):
            return offset
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


async def _first_of(ended: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)
