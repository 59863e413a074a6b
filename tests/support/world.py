"""Builders: each makes a valid thing in one call; a test mentions only what matters to it."""

import io
import json
import zipfile
from contextlib import asynccontextmanager

import aiohttp

from orchestrator_server.access.callers import Actor
from sdk.contract.audit import ActorType

ADMIN_PASSWORD = "correct horse battery"
ADA = Actor(type=ActorType.USER, name="ada")


def archive(**files):
    """The bytes of a package, the same each time: `archive(main="print(1)")` holds main.py."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in (files or {"main": "print('hello')"}).items():
            package.writestr(zipfile.ZipInfo(f"{name}.py"), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


class Api:
    """A person, a robot or a stranger talking to a server over a real socket."""

    def __init__(self, session, url, headers=None):
        self.session, self.url, self.headers = session, str(url).rstrip("/"), headers or {}

    def as_(self, **headers):
        return Api(self.session, self.url, headers)

    async def ask(self, method, path, *, status=None, **how):
        """The answer's status, body and headers; with `status`, only the body, and it must fit."""
        headers = {**self.headers, **how.pop("headers", {})}
        async with self.session.request(
            method, self.url + path, headers=headers, **how
        ) as response:
            content = await response.read()
            body = content
            if "json" in response.content_type:
                body = json.loads(content)
        if status is None:
            return Answer(response.status, body, response.headers)
        assert response.status == status, (response.status, body)
        return body

    async def get(self, path, status=200, /, **how):
        return await self.ask("GET", path, status=status, **how)

    async def post(self, path, status=None, /, **body):
        return await self.ask("POST", path, status=status, json=body)

    async def sign_in(self, username="admin", password=ADMIN_PASSWORD):
        token = await self.post("/api/auth/login", 200, username=username, password=password)
        return self.as_(Authorization=f"Bearer {token['access_token']}")

    async def upload(self, name="hello", version="1.0.0", content=None, status=201):
        form = aiohttp.FormData()
        form.add_field("file", content or archive(), filename=f"{name}_{version}.zip")
        return await self.ask("POST", "/api/packages/upload", status=status, data=form)

    async def make_process(self, name="hello", content=None, **wanted):
        package = await self.upload(name, content=content)
        return await self.post(
            "/api/processes",
            201,
            **{"name": name, "package_id": package["id"], "script_path": "main.py", **wanted},
        )

    async def make_job(self, process, **wanted):
        return await self.post("/api/jobs", 201, process_id=process["id"], **wanted)

    async def make_robot(self, name="robot", **wanted):
        """The robot's own view of the server."""
        robot = await self.post("/api/robots", 201, name=name, **wanted)
        return self.as_(**{"X-Robot-Token": robot["api_token"]})


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, headers

    @property
    def kind(self):
        return self.body["type"].removeprefix("/problems/")


@asynccontextmanager
async def api_at(url):
    # Fewer than the idle connections that the server keeps of one address.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        yield Api(session, url)
