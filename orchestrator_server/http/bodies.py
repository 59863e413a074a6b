"""Bodies and query strings: how much, of what type, in what time; then into Structs."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from orchestrator_server import strict_json
from orchestrator_server.errors import Malformed, TooLarge, TooSlow, UnsupportedMediaType

T = TypeVar("T")

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON_BYTES = 1024 * 1024
WINDOW_SECONDS = 30.0  # of waiting for the client
WINDOW_BYTES = 30 * 64 * 1024  # which come in each window; a smaller body comes within one

_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")


def check_size(request: web.Request, limit_bytes: int) -> None:
    """Refuse a body that says it is too large before any of it is read."""
    if request.content_length is not None and request.content_length > limit_bytes:
        raise TooLarge(f"The body has at most {limit_bytes:,} bytes here.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body uncompressed.")


def check_type(request: web.Request, media_types: tuple[str, ...]) -> str:
    """The media type of the body, which must be one of these; text is UTF-8."""
    charset = request.charset
    if request.content_type not in media_types or (
        request.content_type != MULTIPART
        and charset is not None
        and charset.lower() not in ("utf-8", "utf8")
    ):
        raise UnsupportedMediaType(f"Send the body as {' or '.join(media_types)}, in UTF-8.")
    if "Content-Type" not in request.headers:
        raise UnsupportedMediaType(f"Say what the body is: Content-Type: {media_types[0]}.")
    return request.content_type


async def read(request: web.Request, limit_bytes: int) -> bytes:
    """The whole body, of at most so many bytes, which must keep coming."""
    content = request.content
    if content.is_eof() and content.exception() is None:  # all of it came with the head
        body = content.read_nowait()
        _must_fit(body, limit_bytes)
        return body
    pieces = bytearray()
    async for chunk in chunks(request):
        pieces += chunk
        _must_fit(pieces, limit_bytes)
    return bytes(pieces)


def _must_fit(body: bytes | bytearray, limit_bytes: int) -> None:
    if len(body) > limit_bytes:
        raise TooLarge(f"The body has at most {limit_bytes:,} bytes here.")


async def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it comes; it must keep coming."""
    while chunk := await in_time(request, request.content.readany()):
        yield chunk


class _Pace:
    """How fast a body comes. Only the time counts in which the server waits for the client."""

    def __init__(self) -> None:
        self._waited, self._bytes = 0.0, 0  # in this window

    async def next(self, reading: Awaitable[T]) -> T:
        """Raises TimeoutError if a whole window brings too little."""
        loop = asyncio.get_running_loop()
        if self._waited >= WINDOW_SECONDS:
            self._waited, self._bytes = 0.0, 0
        is_enough = self._bytes >= WINDOW_BYTES  # then the next window may begin at once
        began = loop.time()
        left = WINDOW_SECONDS * (2 if is_enough else 1) - self._waited
        async with asyncio.timeout(left):
            piece = await reading
        self._waited += loop.time() - began
        if isinstance(piece, bytes | bytearray):
            self._bytes += len(piece)
        if self._waited >= WINDOW_SECONDS and self._bytes < WINDOW_BYTES:
            raise TimeoutError
        return piece


_PACE = web.RequestKey("pace", _Pace)


async def in_time(request: web.Request, reading: Awaitable[T]) -> T:
    """The next piece of the body, or TooSlow."""
    if (pace := request.get(_PACE)) is None:
        pace = request[_PACE] = _Pace()
    try:
        return await pace.next(reading)
    except TimeoutError as error:
        raise TooSlow(
            f"The body came too slowly; send all of it within {WINDOW_SECONDS:.0f} seconds, or at "
            f"least {WINDOW_BYTES / WINDOW_SECONDS / 1024:.0f} KiB a second."
        ) from error
    except (web.RequestPayloadError, HttpProcessingError, ValueError) as error:
        raise Malformed("The body is cut or cannot be read.") from error


async def parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """The parts of a multipart form, one after the other."""
    check_type(request, (MULTIPART,))
    try:
        reader = await request.multipart()
    except (AssertionError, ValueError, KeyError) as error:
        raise Malformed("The form cannot be read; is its boundary right?") from error
    while (part := await in_time(request, reader.next())) is not None:
        if not isinstance(part, BodyPartReader):
            raise Malformed("A form inside the form is not understood.")
        yield part


def decode(content: bytes, media_type: str, type_: type[T]) -> T:
    """The body as a `type_`; Malformed if it cannot be read, ValidationError if it does not fit."""
    if media_type == FORM:
        return msgspec.convert(_pairs(content), type_, strict=False)
    return msgspec.convert(strict_json.decode(content), type_)


def decode_query(request: web.Request, type_: type[T]) -> T:
    """The query string as a `type_`: each key once, "7" may be a number."""
    wanted: dict[str, Any] = {}
    for name, value in request.query.items():
        if name in wanted:
            raise Malformed(f"The parameter {name[:50]!r} is there twice; give it once.")
        if _UNSEEN.search(value) or (not value.isascii() and "\ufffd" in value):
            raise Malformed(f"The parameter {name[:50]!r} has characters that cannot be meant.")
        wanted[name] = value
    return msgspec.convert(wanted, type_, strict=False)


def _pairs(content: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100
        )
    except ValueError as error:
        raise Malformed("The form cannot be read.") from error
    if any("\0" in text for pair in pairs for text in pair):
        raise Malformed("A field of the form has a NUL in it.")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed("A field of the form is there twice; give it once.")
    return fields
