"""`/docs`: the API to read and to try, with Swagger UI from our own files.

The page may load what is here and talk to this server, and nothing else.
"""

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from aiohttp import web

from orchestrator_server import etags
from orchestrator_server.http.routes import Route, public_get

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_FILES = {
    "/docs": ("index.html", "text/html"),
    "/docs/init.js": ("init.js", "text/javascript"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
    "/docs/swagger-ui.css": ("swagger-ui.css", "text/css"),
}


class _File(NamedTuple):
    content: bytes
    tag: str


async def page(request: web.Request) -> web.Response:
    """A file of the API's page."""
    name, content_type = _FILES[request.path.rstrip("/")]
    file = _read(name)
    headers = {"ETag": file.tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    if etags.is_known(request.headers.get("If-None-Match"), file.tag):
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=file.content, content_type=content_type, charset="utf-8", headers=headers
    )


@cache
def _read(name: str) -> _File:
    content = resources.files(__package__).joinpath("swagger_ui", name).read_bytes()
    return _File(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


ROUTES: list[Route] = [public_get(path, page, gives=bytes, documented=False) for path in _FILES]
