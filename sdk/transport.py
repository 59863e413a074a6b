"""One request, one answer: a Struct goes out, a Struct comes back, everything else is an error."""

import hashlib
import math
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, TypeVar

import aiohttp
import msgspec

from sdk import certificates
from sdk.contract.problem import MEDIA_TYPE, Problem
from sdk.errors import NotAnOrchestrator, Refused, Unreachable, from_problem

T = TypeVar("T")

Body = msgspec.Struct | bytes | BinaryIO | aiohttp.FormData | None
PIECE_BYTES = 256 * 1024
CONNECT_SECONDS = 10
JSON = "application/json"
NOT_IN_PIECES = frozenset({"text/html", "application/xhtml+xml"})  # what proxies answer with
_TITLE = re.compile(r"<title[^>]*>([^<]{1,500})", re.IGNORECASE)


class Transport:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers or {})

    def __repr__(self) -> str:
        return f"Transport({self._base_url!r})"  # without the headers: they hold the token

    def with_headers(self, headers: Mapping[str, str]) -> "Transport":
        return Transport(self._session, self._base_url, {**self._headers, **headers})

    async def send(
        self,
        method: str,
        path: str,
        answer_type: type[T],
        body: Body = None,
        *,
        params: Mapping[str, str | int] | None = None,
        timeout_seconds: float = 10,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Return the answer as `answer_type`; `bytes` is the body as it came."""
        data, content_headers = _encode(body)
        async with self._answer(
            method,
            path,
            params=params,
            data=data,
            headers={**self._headers, **content_headers, **(headers or {})},
            timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=CONNECT_SECONDS),
        ) as response:
            content = await response.read()
        return _decode(response, content, answer_type)

    async def download(self, path: str, destination: Path, *, silence_seconds: float = 30) -> str:
        """Write the body to `destination`; return its SHA-256. Any size, but never silent long."""
        digest = hashlib.sha256()
        async with self._answer(
            "GET",
            path,
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_SECONDS, sock_read=silence_seconds
            ),
        ) as response:
            if response.content_type in NOT_IN_PIECES:
                raise _nonsense(response)
            with destination.open("wb") as file:
                async for piece in response.content.iter_chunked(PIECE_BYTES):
                    digest.update(piece)
                    file.write(piece)
        return digest.hexdigest()

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, **request: object
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._session.request(
                method,
                self._base_url + path,
                allow_redirects=False,  # the token must not follow to another host
                **request,  # type: ignore[arg-type]  # the two callers above name what they pass
            ) as response:
                if response.status >= 300:
                    raise _refusal(response, await response.read())
                yield response
        except aiohttp.ClientHttpProxyError as error:
            raise Unreachable(_proxy_says(error.status, error.message)) from error
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            raise NotAnOrchestrator(f"The answer was cut or garbled: {error!r}.") from error
        except TimeoutError as error:
            raise Unreachable(f"{self._base_url} did not answer in time.") from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{self._base_url} cannot be reached: {_why(error)}") from error


def _why(error: aiohttp.ClientError) -> str:
    """What the system said, where it was the system; its own words are the shortest."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientError):  # it was only handed on
        return _why(cause)
    if isinstance(cause, ssl.SSLError):
        return certificates.why(cause)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        proxy = f"{error.host}:{error.port}"
        return f"the proxy {proxy} does not answer; is it right in HTTP_PROXY or HTTPS_PROXY?"
    said = str(error) or repr(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        said = error.os_error.strerror or str(error.os_error)
    return f"{said}. Is the address right, and the server running?"


def _proxy_says(status: int, said: str) -> str:
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return (
            "The proxy asks who we are: put a user and password into HTTP_PROXY or HTTPS_PROXY, "
            "as in http://user:password@proxy:3128."
        )
    return f"The proxy does not connect us to the server: it says {status} {said}."


def _encode(body: Body) -> tuple[object, dict[str, str]]:
    if isinstance(body, msgspec.Struct):
        return msgspec.json.encode(body), {"Content-Type": JSON}
    if body is not None and not isinstance(body, aiohttp.FormData):
        return body, {"Content-Type": "application/octet-stream"}
    return body, {}


def _decode(response: aiohttp.ClientResponse, content: bytes, answer_type: type[T]) -> T:
    if answer_type is type(None) and response.status == HTTPStatus.NO_CONTENT:
        return None
    if answer_type is bytes:
        if response.content_type in NOT_IN_PIECES:
            raise _nonsense(response, content)
        return content  # type: ignore[return-value]  # T is bytes
    if response.content_type != JSON:
        raise _nonsense(response, content)
    try:
        return msgspec.json.decode(content, type=answer_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"The answer does not decode: {error}"
        raise NotAnOrchestrator(message, response.status) from error


def _refusal(response: aiohttp.ClientResponse, content: bytes) -> Refused | NotAnOrchestrator:
    if response.status < 400:
        where = response.headers.get("Location", "elsewhere").partition("?")[0]
        return NotAnOrchestrator(
            f"The server redirects to {words(where)} ({response.status}): a page to sign in on, of "
            "a proxy or a network, or the address is not quite right.",
            response.status,
        )
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return NotAnOrchestrator(_proxy_says(response.status, ""), response.status)
    if response.content_type not in (MEDIA_TYPE, JSON):
        return _too_large(response) or _nonsense(response, content)
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _nonsense(response, content)
    # What the connection says counts, should the body say otherwise.
    problem = msgspec.structs.replace(problem, status=response.status)
    return from_problem(problem, _retry_after(response.headers.get("Retry-After")))


def _too_large(response: aiohttp.ClientResponse) -> Refused | None:
    """A proxy's limit for bodies is final: the same body is refused each time it is sent."""
    if response.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return None
    detail = (
        f"A proxy in front of {response.url.host} does not let a body of this size through (413); "
        "raise its limit."
    )
    return from_problem(Problem(title="Too large", status=response.status, detail=detail))


def _nonsense(response: aiohttp.ClientResponse, content: bytes = b"") -> NotAnOrchestrator:
    if response.content_type in NOT_IN_PIECES:
        title = _TITLE.search(content.decode(errors="replace"))
        page = f"a web page, {words(title[1])!r}" if title else "a web page"
        said = (
            f"{response.url.host} answers with {page} (status {response.status}), which is not "
            "from an orchestrator. Is it the address of something else, or does a proxy or a "
            "network want somebody to sign in? Open it in a browser on this machine."
        )
    else:
        said = (
            f"An answer of type {response.content_type} (status {response.status}) is not from an "
            "orchestrator; is a proxy in the way?"
        )
    return NotAnOrchestrator(said, response.status)


def words(text: str) -> str:
    """Somebody else's words, short and on one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:80]


def _retry_after(value: str | None) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3); what is neither is as good as nothing."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
