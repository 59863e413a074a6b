"""Our own files for browsers: read once, tagged, under a policy that lets nothing else in."""

import hashlib
from functools import cache
from importlib import resources
from typing import NamedTuple

from aiohttp import web

from orchestrator_server import etags


class _File(NamedTuple):
    content: bytes
    tag: str


def policy(**more: str) -> str:
    """A Content-Security-Policy that allows what is named, from this server, and nothing else."""
    allowed = {
        "default-src": "'none'",
        "style-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    } | {name.replace("_", "-"): sources for name, sources in more.items()}
    return "; ".join(f"{name} {sources}" for name, sources in allowed.items())


def answer(
    request: web.Request, package: str, path: str, content_type: str, allowed: str
) -> web.Response:
    """The file at `path` in `package`, or 304 for whoever has it."""
    file = _read(package, path)
    headers = {"ETag": file.tag, "Cache-Control": "no-cache", "Content-Security-Policy": allowed}
    if etags.is_known(request.headers.get("If-None-Match"), file.tag):
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=file.content, content_type=content_type, charset="utf-8", headers=headers
    )


@cache
def _read(package: str, path: str) -> _File:
    content = resources.files(package).joinpath(*path.split("/")).read_bytes()
    return _File(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
