"""A package index of a few lines, and wheels of one module."""

import base64
import hashlib
import io
import zipfile
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer


def a_wheel(name, version, *, entry_points=None, pth="", extra=None, **modules):
    files = {f"{module}.py": text for module, text in (modules or {name: ""}).items()}
    info = f"{name}-{version}.dist-info"
    files |= extra or {}
    if entry_points:
        told = "".join(f"{key} = {value}\n" for key, value in entry_points.items())
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{told}"
    if pth:
        files[f"{name}.pth"] = f"{pth}\n"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items())
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return content.getvalue()


def _digest(text):
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Index:
    def __init__(self):
        self.wheels = {}  # file name: content
        self.asked = []
        self.url = ""

    def add(self, name, version, **modules):
        self.wheels[f"{name}-{version}-py3-none-any.whl"] = a_wheel(name, version, **modules)

    def hash_of(self, name, version):
        return hashlib.sha256(self.wheels[f"{name}-{version}-py3-none-any.whl"]).hexdigest()

    async def project(self, request):
        name = request.match_info["name"]
        self.asked.append(name)
        found = {f: c for f, c in self.wheels.items() if f.startswith(f"{name}-")}
        if not found:
            raise web.HTTPNotFound
        links = "".join(
            f'<a href="/files/{f}#sha256={hashlib.sha256(c).hexdigest()}">{f}</a>'
            for f, c in found.items()
        )
        return web.Response(text=f"<html><body>{links}</body></html>", content_type="text/html")

    async def file(self, request):
        content = self.wheels[request.match_info["file"]]
        return web.Response(body=content, content_type="application/octet-stream")


@asynccontextmanager
async def an_index():
    index = Index()
    app = web.Application()
    app.router.add_get("/simple/{name}/", index.project)
    app.router.add_get("/files/{file}", index.file)
    server = TestServer(app)
    await server.start_server()
    index.url = str(server.make_url("/simple/"))
    index.stop = server.close
    try:
        yield index
    finally:
        await server.close()
