"""A file on its way out: whole, or one range of it (RFC 9110, 14)."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


class Span(NamedTuple):
    """The bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


async def send(
    request: web.Request, path: Path, size_bytes: int, sha256: str, headers: dict[str, str]
) -> web.StreamResponse:
    """The file at `path`, whose digest is its tag."""
    etag = f'"{sha256}"'
    headers = {**headers, "ETag": etag, "Accept-Ranges": "bytes"}
    if request.headers.get("If-Range", etag) != etag:
        wanted = None
    else:
        try:
            wanted = requested_span(request.headers.get("Range"), size_bytes)
        except ValueError:
            headers["Content-Range"] = f"bytes */{size_bytes}"
            return web.Response(status=416, headers=headers)
    span = wanted or Span(0, size_bytes)
    if wanted:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size_bytes}"
    response = web.StreamResponse(status=206 if wanted else 200, headers=headers)
    response.content_length = span.stop - span.start
    await response.prepare(request)
    async for chunk in _pieces(path, span):
        await response.write(chunk)
    await response.write_eof()
    return response


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


async def _pieces(path: Path, span: Span) -> AsyncIterator[bytes]:
    def read(offset: int, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    offset = span.start
    while offset < span.stop:
        chunk = await asyncio.to_thread(read, offset, min(CHUNK_BYTES, span.stop - offset))
        if not chunk:
            raise ConnectionResetError("The file is shorter than its row says.")
        offset += len(chunk)
        yield chunk
