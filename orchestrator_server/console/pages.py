"""Templates into answers. Everything that comes from outside is escaped (Jinja2's autoescape)."""

from datetime import datetime
from functools import cache
from typing import Any

import jinja2
from aiohttp import web

from orchestrator_server.http import files
from orchestrator_server.http.keys import SETTINGS

HEADERS = {
    "Content-Security-Policy": files.policy(img_src="data:"),
    # `no-referrer` would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
}


def render(request: web.Request, name: str, *, status: int = 200, **said: Any) -> web.Response:
    """The page `name`; no page is kept by anybody, and none may be framed."""
    text = (
        _environment()
        .get_template(name)
        .render(instance_name=request.app[SETTINGS].general.instance_name, **said)
    )
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)


def go(path: str) -> web.Response:
    """To another of our pages, with GET."""
    return web.Response(status=303, headers={"Location": path, **HEADERS})


def age(since: datetime, now: datetime) -> str:
    """How long ago, as somebody would say it."""
    seconds = max(0, int((now - since).total_seconds()))
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{seconds} seconds ago"
    minutes = seconds // 60
    return "1 minute ago" if minutes == 1 else f"{minutes} minutes ago"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
