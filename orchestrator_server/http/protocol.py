"""What aiohttp leaves open below HTTP: headers that never end, idle connections without
number, and answers to requests that could not be parsed.

Built on aiohttp's RequestHandler, whose private names it uses are checked by its tests.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from orchestrator_server.http.keys import PROXIES
from orchestrator_server.http.proxies import TrustedProxies
from sdk.contract.problem import MEDIA_TYPE, Problem

HEADERS_SECONDS = 10.0
IDLE_SECONDS = 75.0
IDLE_CONNECTIONS_PER_ADDRESS = 100

RequestFactory = Callable[..., BaseRequest]


class IdleConnections:
    """The connections without a request, by address, the longest idle first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._idle: dict[str, OrderedDict[Protocol, None]] = defaultdict(OrderedDict)

    def add(self, connection: "Protocol") -> None:
        idle = self._idle[connection.address]
        idle[connection] = None
        idle.move_to_end(connection)
        if len(idle) > self._limit:
            oldest, _ = idle.popitem(last=False)
            oldest.force_close()

    def remove(self, connection: "Protocol") -> None:
        idle = self._idle.get(connection.address)
        if idle is not None:
            idle.pop(connection, None)
            if not idle:
                del self._idle[connection.address]


class Protocol(RequestHandler):
    """One connection: its headers come in time, and it does not idle in a crowd."""

    __slots__ = ("_headers_seconds", "_headers_timer", "_idle", "_parsed", "address")

    def __init__(self, idle: IdleConnections, headers_seconds: float, *a: Any, **k: Any) -> None:
        super().__init__(*a, **k)
        self._idle = idle
        self._headers_seconds = headers_seconds
        self._headers_timer: asyncio.TimerHandle | None = None
        self._parsed = 0
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else str(peer)
        self._idle.add(self)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        self._take(data)
        if self._request_count > self._parsed:  # at least one request has all its headers
            self._parsed = self._request_count
            self._stop_timer()
            self._idle.remove(self)
        elif data and not self._request_in_progress and not self._messages:
            self._start_timer()  # the beginning of the next request

    def _take(self, data: bytes) -> None:
        """A server that stops takes the rest of a body it has begun to read. aiohttp would drop
        it, and leave the sender waiting until the connection is cut."""
        closing, forced = self._close, self._force_close
        if self._request_in_progress:
            self._close = self._force_close = False
        try:
            super().data_received(data)
        finally:
            self._close, self._force_close = self._close or closing, self._force_close or forced

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timer()
        self._idle.remove(self)
        super().connection_lost(exc)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        if self.transport is not None and not self._messages:
            self._idle.add(self)
        return finished

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What could not be parsed is told so, without an echo of what was sent."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("Error handling request", exc_info=exc)
            problem = Problem(title="Internal error", status=status)
        else:
            problem = Problem(
                type="/problems/bad-request",
                title=HTTPStatus(status).phrase,
                status=status,
                detail="This is not an HTTP/1.1 request that the server reads.",
            )
        response = web.Response(
            body=msgspec.json.encode(problem), status=status, content_type=MEDIA_TYPE
        )
        response.force_close()
        return response

    def _start_timer(self) -> None:
        if self._headers_timer is None:
            self._headers_timer = self._loop.call_later(self._headers_seconds, self._too_late)

    def _stop_timer(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _too_late(self) -> None:
        self._headers_timer = None
        if not self._request_in_progress:
            self.force_close()


class Server(web.Server):
    """Makes a Protocol for each connection."""

    def __init__(self, *a: Any, idle: IdleConnections, headers_seconds: float, **k: Any) -> None:
        super().__init__(*a, **k)
        self._idle = idle
        self._headers_seconds = headers_seconds

    def __call__(self) -> RequestHandler:
        return Protocol(self._idle, self._headers_seconds, self, loop=self._loop, **self._kwargs)


def with_client(make: RequestFactory, proxies: TrustedProxies) -> RequestFactory:
    """Make requests whose `remote` and `scheme` are those of the client of a trusted proxy."""

    def make_with_client(message: Any, payload: Any, protocol: Any, *rest: Any) -> BaseRequest:
        request = make(message, payload, protocol, *rest)
        client = proxies.client(protocol.address, request.headers)
        return request.clone(remote=client.address, scheme=client.scheme or request.scheme)

    return make_with_client


class Runner(web.AppRunner):
    """Runs an application behind these protections. The program and the tests use it alike."""

    __slots__ = ("_headers_seconds", "_idle_connections")

    def __init__(
        self,
        app: web.Application,
        *,
        shutdown_timeout: float,
        headers_seconds: float = HEADERS_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        idle_connections_per_address: int = IDLE_CONNECTIONS_PER_ADDRESS,
    ) -> None:
        super().__init__(
            app,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=idle_seconds,
            auto_decompress=False,
            access_log=None,  # http/middleware.py writes a line for each request
        )
        self._headers_seconds = headers_seconds
        self._idle_connections = IdleConnections(idle_connections_per_address)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        proxies = self.app.get(PROXIES)
        make = made.request_factory
        return Server(
            made.request_handler,
            request_factory=with_client(make, proxies) if proxies else make,
            idle=self._idle_connections,
            headers_seconds=self._headers_seconds,
            **made._kwargs,
        )
