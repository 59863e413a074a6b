"""What happens around every request: an id, a log line, headers, and the host it names."""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache

import structlog
from aiohttp import HttpVersion10, hdrs, web

from orchestrator_server import addresses
from orchestrator_server.config import LOOPBACK_NAMES
from orchestrator_server.errors import Malformed, Misdirected
from orchestrator_server.http.keys import HOSTS, METRICS, REQUEST_ID, ROUTE_PATH
from orchestrator_server.http.problems import path_in_log

log = structlog.get_logger(__name__)
_level = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, which its logs carry, and one line when it is over."""
    given = request.headers.get("X-Request-Id", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    began = time.perf_counter()
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        response = await handler(request)
        seconds = time.perf_counter() - began
        request.app[METRICS].observe(
            request.method, request.get(ROUTE_PATH), response.status, seconds
        )
        if _level.isEnabledFor(logging.DEBUG):  # seldom, and to find that out in `log` costs more
            log.debug(
                "request",
                method=request.method,
                path=path_in_log(request),  # never the query string: there may be a secret in it
                status=response.status,
                milliseconds=round(seconds * 1000, 1),
                remote=request.remote,
            )
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
    response.headers.pop(hdrs.SERVER, None)


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse names that are not ours: else a web page could reach a server on loopback by
    pointing its own name there (DNS rebinding)."""
    if request.version < HttpVersion10:
        raise Malformed("Speak HTTP/1.1.")  # 0.9 has no headers, so no host and no credential
    hosts = request.app[HOSTS]
    if hosts is not None and not _is_ours(request, hosts):
        raise Misdirected("This server does not go by that name; see --allowed-host.")
    if request.method == hdrs.METH_OPTIONS and request.match_info.http_exception is not None:
        return _options(request.match_info.http_exception)
    return await handler(request)


def _is_ours(request: web.Request, hosts: frozenset[str]) -> bool:
    """Whether the server goes by the name in the request. A health check on its own machine need
    not know the name that people use."""
    host = _without_port(request.host)
    if host in hosts:
        return True
    is_health_check = request.path.startswith("/api/health/") and host in LOOPBACK_NAMES
    return is_health_check and addresses.is_loopback(request.remote or "")


def _options(error: web.HTTPException) -> web.Response:
    """OPTIONS tells what is possible and nothing else; there is no CORS."""
    if not isinstance(error, web.HTTPMethodNotAllowed):
        raise error
    return web.Response(status=204, headers={"Allow": error.headers["Allow"]})


@lru_cache(maxsize=64)  # nearly all requests name the same one
def _without_port(host: str) -> str:
    return re.sub(r":[0-9]*$", "", host).lower()
