"""A log as server-sent events (WHATWG HTML, 9.2): what was printed, as it is printed.

The id of each event is the byte offset behind it, so a browser that lost its connection says
with `Last-Event-ID` where to go on, and nothing is missing or shown twice.
"""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from orchestrator_server.db.transaction import Database
from orchestrator_server.errors import Malformed
from orchestrator_server.jobs import lifecycle, service
from orchestrator_server.jobs.logs import Logs

STREAM_SECONDS = 300.0  # then the reader comes back, and its rights are looked at again
LOOK_SECONDS = 1.0  # for what another server has written
_OFFSET = re.compile("0|[1-9][0-9]{0,17}", re.ASCII)


def offset_of(request: web.Request, asked: int) -> int:
    """Where to begin: behind the last event the reader has seen, else where it asks to."""
    last = request.headers.get("Last-Event-ID")
    if last is None:
        return asked
    if not _OFFSET.fullmatch(last):
        raise Malformed("Last-Event-ID is the number of a byte.")
    return int(last)


async def follow(
    database: Database, logs: Logs, job_id: int, attempt: int | None, offset: int
) -> AsyncIterator[bytes]:
    """The log of one attempt, the latest if none is named, until it is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_SECONDS
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while loop.time() < until:
        job = await database.read(service.get, job_id)
        attempt = attempt or job.attempt or None
        over = job.status in lifecycle.FINAL or job.attempt != (attempt or 0)
        chunk = b""
        if attempt:
            chunk = await logs.read(job_id, attempt, offset, is_over=over)
        if chunk:
            offset += len(chunk)
            text = decoder.decode(chunk)
            held_back = len(decoder.getstate()[0])  # the beginning of a character
            if text:
                yield _event(text, id_=offset - held_back)
        elif over:
            yield _event(msgspec.json.encode({"status": job.status}).decode(), name="end")
            return
        else:
            yield b": still here\n\n"
            await logs.wait_for_more(job_id, LOOK_SECONDS)


def _event(text: str, *, id_: int | None = None, name: str | None = None) -> bytes:
    lines = [f"id: {id_}"] if id_ is not None else []
    lines += [f"event: {name}"] if name else []
    # A carriage return would end a line of the event; as JSON, every character survives.
    data = text if name else msgspec.json.encode(text).decode()
    return ("\n".join([*lines, f"data: {data}"]) + "\n\n").encode()
