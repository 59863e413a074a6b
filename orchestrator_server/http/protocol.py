"""What aiohttp leaves open below HTTP: headers that never end, requests that are never finished,
connections without number, and answers to requests that could not be parsed.

Built on aiohttp's RequestHandler, whose private names it uses are checked by its tests.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from orchestrator_server.addresses import client_of
from orchestrator_server.errors import Unavailable
from orchestrator_server.http.connections import CROWDED, REFUSAL, Connections, most_connections
from orchestrator_server.http.keys import PROXIES
from orchestrator_server.http.proxies import NONE, TrustedProxies, with_client
from sdk.contract.problem import MEDIA_TYPE, Problem

HEADERS_SECONDS = 10.0
IDLE_SECONDS = 75.0
WAITING_PER_CLIENT = 100  # without a credential


class Protocol(RequestHandler):
    """One connection: its requests come in time, or it makes room for others."""

    __slots__ = (
        "_body",
        "_client",
        "_connections",
        "_has_begun",
        "_head_timer",
        "_headers_seconds",
        "_makes_room",
        "_parsed",
        "_proxies",
        "address",
    )

    def __init__(
        self,
        connections: Connections,
        proxies: TrustedProxies,
        headers_seconds: float,
        *a: Any,
        **k: Any,
    ) -> None:
        super().__init__(*a, **k)
        self._connections, self._proxies = connections, proxies
        self._headers_seconds = headers_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._parsed = 0
        self._has_begun = False  # with the head of a request
        self._makes_room = False  # after the answer to the request under way
        self._body: StreamReader | None = None  # of which the end has not come
        self._client: str | None = None  # as which it counts; None: a trusted proxy
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else str(peer)
        self._client = None if self._proxies.trusts(self.address) else client_of(self.address)
        if not self._connections.open():
            self._refuse()
            return
        self._connections.wait(self, self._client)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        self._take(data)
        if self._request_count > self._parsed:  # at least one request has all its headers
            self._parsed = self._request_count
            self._stop_timer()
            self._has_begun = False
            if self._messages:
                self._wait_for_body(*self._messages[-1])
        elif self._body is not None and self._body.is_eof():
            self._body = None
            self._connections.stop_waiting(self)
        elif data and not self._request_in_progress and not self._messages:
            self._has_begun = True
            self._start_timer()  # the beginning of the next request

    def _wait_for_body(self, message: Any, body: StreamReader) -> None:
        if body.is_eof():
            self._body = None
            self._connections.stop_waiting(self)
            return
        self._body = body
        client = self._client
        if client is None:
            client = client_of(self._proxies.client(self.address, message.headers).address)
        self._connections.wait(self, client)

    def caller_is_known(self, address: str) -> None:
        """The caller of the request under way has shown a credential."""
        if self._body is not None:
            self._connections.wait_as_known(self, client_of(address))

    def make_room(self) -> None:
        """End the connection for the sake of others: with 503, if a request has begun."""
        if self._body is not None and (self._request_in_progress or self._messages):
            self._makes_room = True
            self._body.set_exception(Unavailable(CROWDED))
        elif self._has_begun:
            self._refuse()
        else:
            self.force_close()

    def _refuse(self) -> None:
        """Answer before there is a request to answer."""
        if self.transport is not None:
            self.transport.write(REFUSAL)
        self.force_close()

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
        self._connections.close(self)
        super().connection_lost(exc)

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        finished = await super().finish_response(request, resp, start_time)
        if self._makes_room:
            self.force_close()
        elif self.transport is not None and not self._messages:
            self._body = None
            self._connections.stop_waiting(self)
            self._connections.wait(self, self._client)
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
        if self._head_timer is None:
            self._head_timer = self._loop.call_later(self._headers_seconds, self._too_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        if not self._request_in_progress:
            self.force_close()


class Server(web.Server):
    """Makes a Protocol for each connection."""

    def __init__(
        self,
        *a: Any,
        connections: Connections,
        proxies: TrustedProxies,
        headers_seconds: float,
        **k: Any,
    ) -> None:
        super().__init__(*a, **k)
        self._for_each = (connections, proxies, headers_seconds)

    def __call__(self) -> RequestHandler:
        return Protocol(*self._for_each, self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application behind these protections. The program and the tests use it alike."""

    __slots__ = ("_connections", "_headers_seconds")

    def __init__(
        self,
        app: web.Application,
        *,
        shutdown_timeout: float,
        headers_seconds: float = HEADERS_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        connections: int | None = None,  # None: as many as the limit of files allows
        waiting_per_client: int = WAITING_PER_CLIENT,
    ) -> None:
        super().__init__(
            app,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=idle_seconds,
            auto_decompress=False,
            access_log=None,  # http/middleware.py writes a line for each request
        )
        self._headers_seconds = headers_seconds
        self._connections = Connections(connections or most_connections(), waiting_per_client)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        proxies = self.app.get(PROXIES, NONE)
        make = made.request_factory
        return Server(
            made.request_handler,
            request_factory=with_client(make, proxies) if proxies else make,
            connections=self._connections,
            proxies=proxies,
            headers_seconds=self._headers_seconds,
            **made._kwargs,
        )
