"""A file on its way out: whole, or one range of it (RFC 9110, 14)."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import structlog
from aiohttp import web

from orchestrator_server.errors import NotFound
from orchestrator_server.http.keys import OBJECTS, SUSPECTS
from orchestrator_server.http.problems import client_has_gone
from orchestrator_server.objects.store import Missing, ObjectStore

REMEDY = "restore it from a backup, or send it again"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)

log = structlog.get_logger(__name__)


class Span(NamedTuple):
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


class Wanted(NamedTuple):
    """An object, as its row describes it."""

    name: str
    size_bytes: int
    sha256: str  # also its tag
    what: str  # for people


async def send(request: web.Request, wanted: Wanted, headers: dict[str, str]) -> web.StreamResponse:
    """Raises NotFound if the object is missing or damaged, as long as no byte of it was sent;
    after that, the connection ends before the last one is."""
    etag = f'"{wanted.sha256}"'
    headers = {**headers, "ETag": etag, "Accept-Ranges": "bytes"}
    span = None
    if request.headers.get("If-Range", etag) == etag:
        try:
            span = requested_span(request.headers.get("Range"), wanted.size_bytes)
        except ValueError:
            headers["Content-Range"] = f"bytes */{wanted.size_bytes}"
            return web.Response(status=416, headers=headers)
    if span:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{wanted.size_bytes}"
    await _clear_of_suspicion(request, wanted)
    pieces = _pieces(request.app[OBJECTS], wanted, span or Span(0, wanted.size_bytes))
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    response.content_length = span.stop - span.start if span else wanted.size_bytes
    first = await anext(pieces, b"")
    await response.prepare(request)
    await response.write(first)
    try:
        async for piece in pieces:
            await response.write(piece)
    except Exception as error:
        if isinstance(error, ConnectionError) and client_has_gone(request):
            raise
        log.error("a download was broken off", name=wanted.name, why=str(error))
        if isinstance(error, NotFound):
            request.app[SUSPECTS].add(wanted.name)
        _break_off(request)
        return response
    await response.write_eof()
    return response


async def _clear_of_suspicion(request: web.Request, wanted: Wanted) -> None:
    """Whoever was broken off asks again, and would without end: what was found damaged is looked
    through before its first byte is sent."""
    if wanted.name in request.app[SUSPECTS]:
        async for _ in _pieces(request.app[OBJECTS], wanted, Span(0, wanted.size_bytes)):
            pass
        request.app[SUSPECTS].discard(wanted.name)


def _break_off(request: web.Request) -> None:
    """The answer has begun: whatever else were sent would be taken for bytes of the file."""
    if request.transport is not None:
        request.transport.abort()


def requested_span(header: str | None, size: int) -> Span | None:
    """What a `Range` header asks for (RFC 9110, 14.2), or None for the whole.

    A header that is not one range of bytes is ignored; one outside raises ValueError.
    """
    found = _RANGE.fullmatch(header or "")
    if not found or (not found[1] and not found[2]):
        return None
    if not found[1]:  # the last so many bytes
        wanted = int(found[2])
        span = Span(max(0, size - wanted), size)
    else:
        last = int(found[2]) if found[2] else size - 1
        span = Span(int(found[1]), min(last + 1, size))
    if span.start >= span.stop:
        raise ValueError("no byte of the file is in this range")
    return span


async def _pieces(objects: ObjectStore, wanted: Wanted, span: Span) -> AsyncIterator[bytes]:
    """Of a whole object, the last one only when all of them together are what was kept."""
    digest, count_bytes, held = hashlib.sha256(), 0, b""
    try:
        async for piece in objects.read(wanted.name, *span):
            if held:
                yield held
            await asyncio.to_thread(digest.update, piece)
            count_bytes += len(piece)
            held = piece
    except Missing as error:
        raise NotFound(f"{wanted.what} is missing from the server; {REMEDY}.") from error
    is_whole = span == (0, wanted.size_bytes)
    if count_bytes != span.stop - span.start or (is_whole and digest.hexdigest() != wanted.sha256):
        log.error("an object is not what was kept", name=wanted.name)
        raise NotFound(f"{wanted.what} is damaged on the server; {REMEDY}.", kind="damaged")
    yield held
