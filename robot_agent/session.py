"""How the agent reaches its server: whom it trusts, and through which proxy."""

from pathlib import Path

import aiohttp

from robot_agent import tls
from sdk.proxies import proxy_for


def session(url: str, ca_file: Path | None) -> aiohttp.ClientSession:
    """AgentExit if the CA file is none."""
    return aiohttp.ClientSession(
        # No limit: a heartbeat must never queue behind downloads and long polls.
        connector=aiohttp.TCPConnector(limit=0, ssl=tls.context(ca_file)),
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=proxy_for(url),  # once: aiohttp would look, in a thread, with each request
        middlewares=(_once,),
    )


async def _once(
    request: aiohttp.ClientRequest, ask: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """aiohttp asks GET and PUT again by itself when a connection breaks. When to ask again is ours,
    or an outage would hear more than it may (`outage.py`); it lets go of an error it does not know.
    """
    try:
        return await ask(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error
