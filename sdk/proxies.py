"""Which proxy is between us and an address."""

import urllib.request
from urllib.parse import urlsplit


def proxy_for(url: str) -> str | None:
    """The one that the system, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY, name for it."""
    parts = urlsplit(url)
    # With its port, and without: an IPv6 address is in brackets only with one.
    for name in (parts.netloc.rpartition("@")[2], parts.hostname or ""):
        if urllib.request.proxy_bypass(name):
            return None
    return urllib.request.getproxies().get(parts.scheme)
