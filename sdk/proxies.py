"""Which proxy is between us and an address."""

import urllib.request
from urllib.parse import urlsplit


def proxy_for(url: str) -> str | None:
    """The one that the system, or HTTP_PROXY, HTTPS_PROXY and NO_PROXY, name for it."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return urllib.request.getproxies().get(parts.scheme)
