"""One look at the server, by another way than the agent's own: what it shows and what its clock
says. Through the proxy, if there is one for it."""

import base64
import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urlsplit

from sdk.proxies import proxy_for

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Seen:
    clock_offset_seconds: float | None  # ours is ahead by so much
    certificate_until: datetime | None = None
    signed_by: str = ""


def without_password(proxy: str) -> str:
    parts = urlsplit(proxy)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def look(url: str, context: ssl.SSLContext) -> Seen:
    """OSError or HTTPException if there is nothing to see."""
    parts, proxy = urlsplit(url), proxy_for(url)
    path = f"{parts.path}/api/health/live"
    if parts.scheme != "https":
        through = urlsplit(proxy) if proxy else parts
        plain = http.client.HTTPConnection(
            through.hostname or "", through.port, timeout=PATIENCE_SECONDS
        )
        headers = _credentials(through) if proxy else {}
        return _ask(plain, f"{url}/api/health/live" if proxy else path, headers)
    return _ask(_tls(parts, proxy, context), path, {})


def _tls(
    parts: SplitResult, proxy: str | None, context: ssl.SSLContext
) -> http.client.HTTPSConnection:
    host, port = parts.hostname or "", parts.port or 443
    if proxy is None:
        return http.client.HTTPSConnection(host, port, context=context, timeout=PATIENCE_SECONDS)
    through = urlsplit(proxy)
    made = http.client.HTTPSConnection(
        through.hostname or "", through.port or 80, context=context, timeout=PATIENCE_SECONDS
    )
    made.set_tunnel(host, port, headers=_credentials(through))
    return made


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    both = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(both.encode()).decode()}


def _ask(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]) -> Seen:
    try:
        connection.connect()
        certificate = None
        if isinstance(connection.sock, ssl.SSLSocket):
            certificate = connection.sock.getpeercert()
        sent_at = time.time()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        offset = _offset(answer.headers.get("Date"), (sent_at + time.time()) / 2)
    finally:
        connection.close()
    if not certificate:
        return Seen(offset)
    until = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Seen(offset, datetime.fromtimestamp(until, UTC), _names(certificate.get("issuer")))


def _offset(date: str | None, our_time: float) -> float | None:
    """To the second, which is as exact as the header is."""
    try:
        return our_time - parsedate_to_datetime(date or "").timestamp() - 0.5
    except ValueError:
        return None


def _names(issuer: object) -> str:
    """As ssl has it: a tuple of tuples of pairs."""
    known = {}
    for group in issuer if isinstance(issuer, tuple) else ():
        known.update(dict(group))
    return str(known.get("commonName") or known.get("organizationName") or "an unnamed CA")
