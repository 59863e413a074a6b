"""`/docs`: the API to read and to try, with Swagger UI from our own files.

The page may load what is here and talk to this server, and nothing else.
"""

from aiohttp import web

from orchestrator_server.http import files
from orchestrator_server.http.routes import Route, public_get

POLICY = files.policy(script_src="'self'", img_src="'self' data:", connect_src="'self'")
_FILES = {
    "/docs": ("index.html", "text/html"),
    "/docs/init.js": ("init.js", "text/javascript"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
    "/docs/swagger-ui.css": ("swagger-ui.css", "text/css"),
}


async def page(request: web.Request) -> web.Response:
    """A file of the API's page."""
    name, content_type = _FILES[request.path.rstrip("/")]
    return files.answer(request, __package__, f"swagger_ui/{name}", content_type, POLICY)


ROUTES: list[Route] = [public_get(path, page, gives=bytes, documented=False) for path in _FILES]
