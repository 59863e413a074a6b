"""Proxies in front of the server: whose headers count, and what they say about the client.

Only X-Forwarded-For and X-Forwarded-Proto are read, and only from a trusted peer (record 30).
Clients can send these headers, too, so they are read from the right: each hop was written by the
proxy behind it, and the first one that is not trusted is the client.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from aiohttp import web
from multidict import CIMultiDictProxy

from orchestrator_server import addresses
from orchestrator_server.addresses import Network

MOST_HOPS = 32
SIGN_INS_TO_WARN = 3

RequestFactory = Callable[..., web.BaseRequest]

_BRACKETED = re.compile(r"\[([^]]*)\](?::[0-9]{1,5})?", re.ASCII)
_WITH_PORT = re.compile(r"([^:]*):[0-9]{1,5}", re.ASCII)
_OTHER_HEADERS = ("Forwarded", "Via", "X-Real-IP")

log = structlog.get_logger(__name__)


class Client(NamedTuple):
    """The client of a request, as far as the trusted proxies know it."""

    address: str
    scheme: str | None = None  # None: as the connection says
    is_relayed: bool = False  # the client is itself said to have passed on a request


class TrustedProxies:
    """The proxies whose headers count."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)
        self.trusts = lru_cache(maxsize=4096)(self._trusts)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, headers: CIMultiDictProxy[str]) -> Client:
        """The client of a request that this peer sent."""
        if not self.trusts(peer):
            return Client(peer, is_relayed=is_forwarded(headers))
        hops = ",".join(headers.getall("X-Forwarded-For", [])).rsplit(",", MOST_HOPS)
        client = peer
        while hops and hops != [""] and self.trusts(client):
            if (address := _address(hops[-1])) is None:
                break  # the proxy that wrote this does not know its client
            client = address
            hops.pop()
        return Client(client, _scheme(headers), is_relayed=bool(hops) and hops != [""])

    def is_hidden(self, request: web.Request) -> bool:
        """Whether the address of the client may be that of a proxy, so of several clients."""
        return self.client(peer_of(request), request.headers).is_relayed

    def _trusts(self, address: str) -> bool:
        found = addresses.parse(address.partition("%")[0])
        return found is not None and any(found in network for network in self._networks)


NONE = TrustedProxies(())


def with_client(make: RequestFactory, proxies: TrustedProxies) -> RequestFactory:
    """Make requests whose `remote` and `scheme` are those of the client of a trusted proxy."""

    def make_with_client(message: Any, payload: Any, protocol: Any, *rest: Any) -> web.BaseRequest:
        request = make(message, payload, protocol, *rest)
        client = proxies.client(protocol.address, request.headers)
        return request.clone(remote=client.address, scheme=client.scheme or request.scheme)

    return make_with_client


class ProxyDetector:
    """Warns, once, if all sign-ins come from one address and with the headers of a proxy."""

    def __init__(self, proxies: TrustedProxies) -> None:
        self._proxies = proxies
        self._latest: deque[str | None] = deque(maxlen=SIGN_INS_TO_WARN)
        self._has_warned = False

    def note_sign_in(self, request: web.Request) -> None:
        if self._has_warned:
            return
        address = request.remote
        self._latest.append(address if self._proxies.is_hidden(request) else None)
        if address is not None and self._latest.count(address) == SIGN_INS_TO_WARN:
            self._has_warned = True
            log.warning(
                "all sign-ins come from one address, with the headers of a proxy that is not "
                "trusted; if it is yours, start the server with --trusted-proxy",
                address=address,
            )


def is_forwarded(headers: Mapping[str, str]) -> bool:
    """Whether a header says that a proxy has passed on the request."""
    return any(name in headers for name in _OTHER_HEADERS) or any(
        name.lower().startswith("x-forwarded-") for name in headers
    )


def peer_of(request: web.BaseRequest) -> str:
    """The address at the other end of the connection."""
    peer = request.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else str(peer or "")


def _address(hop: str) -> str | None:
    """The address in one element of X-Forwarded-For, without its port."""
    text = hop.strip()
    if found := _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text):
        text = found[1]
    address = addresses.parse(text)
    return None if address is None else str(address)


def _scheme(headers: CIMultiDictProxy[str]) -> str | None:
    """As the nearest proxy wrote it: the last element."""
    scheme = ",".join(headers.getall("X-Forwarded-Proto", [])).rpartition(",")[2].strip().lower()
    return scheme if scheme in ("http", "https") else None
