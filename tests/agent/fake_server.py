"""A server of a few lines: hands out the jobs it is given and notes what it is told."""

import asyncio
import hashlib
import io
import json
import zipfile
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from aiohttp.test_utils import TestServer

LIMIT_SECONDS = 15


def a_package(source, name="main.py"):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr(name, source)
    return archive.getvalue()


class FakeServer:
    def __init__(self):
        self.packages, self.waiting, self.owned = {}, [], None
        self.claims, self.beats, self.reports, self.registered = [], [], [], []
        self.claim_keys, self.log, self.log_requests = [], b"", []
        self.secrets_read = []  # by any job
        self.artifacts = []  # name and content, as they were brought
        self.tokens, self.actions = set(), {}
        self.prepare = []  # told with beats
        self.orders, self.told = [], {}  # actions told by the long poll, by job
        self.failures = {}  # what, by path ending, to answer instead, in order
        self.pages = {}  # the same, with web pages
        self.after_claim = []  # "lose" drops the answer after the job is granted
        self.after_report = []  # the same, after the report is taken
        self.changed = asyncio.Condition()
        self.start = "cold"  # how scripts are to be started
        self.log_limit_bytes = 16 * 1024 * 1024
        self.url = ""

    def give(self, source, **changes):
        content = changes.pop("content", None) or a_package(source)
        number = len(self.packages) + 1
        self.packages[number] = content
        sha256 = changes.pop("sha256", hashlib.sha256(content).hexdigest())
        job = {
            "id": number, "status": "running", "attempt": 1, "parameters": {}, "lease_seconds": 60,
            "process": {"id": 1, "name": "p", "script_path": "main.py", "package_id": number,
                        "version": 1, "start": self.start},
            "package": {"id": number, "name": "p", "version": "1.0.0", "sha256": sha256,
                        "size_bytes": len(content)},
            "job_token": "job-token", **changes,
        }  # fmt: skip
        self.waiting.append(job)
        return number

    def change(self, content, script_path="main.py", may_build=False):
        """A process was given another package."""
        job = self.give("", content=content)
        package = next(j for j in self.waiting if j["id"] == job)["package"]
        self.waiting.pop()
        self.prepare.append(
            {"package": package, "script_path": script_path, "may_build": may_build}
        )

    async def until(self, condition):
        async with asyncio.timeout(LIMIT_SECONDS), self.changed:
            await self.changed.wait_for(condition)

    async def note(self, where=None, what=None):
        async with self.changed:
            if where is not None:
                where.append(what)
            self.changed.notify_all()

    async def register(self, request):
        body = await request.json()
        if body["machine_key"] != "good-key":
            return problem(401, "The machine key is not known.")
        self.tokens = {f"robot-token-{len(self.registered)}"}
        await self.note(self.registered, body)
        token = next(iter(self.tokens))
        return web.json_response(
            {"robot_id": 7, "api_token": token, "name": body["name"], "machine_id": 1}
        )

    async def next_job(self, request):
        body = await request.json()
        await self.note(self.claims, body)
        fresh = self.owned is None and self.waiting
        if fresh:
            self.owned = {**self.waiting.pop(0), "claim_key": body["claim_key"]}
        elif self.owned is None:
            async with self.changed:
                try:
                    wait = self.changed.wait_for(lambda: self.waiting)
                    await asyncio.wait_for(wait, body["wait_seconds"])
                except TimeoutError:
                    pass
            if self.waiting:
                self.owned = {**self.waiting.pop(0), "claim_key": body["claim_key"]}
                fresh = True
        if self.after_claim:
            self.after_claim.pop(0)
            request.transport.abort()
        job = self.owned and {**self.owned, "redelivered": not fresh}
        return web.json_response({"job": job})

    async def heartbeat(self, request):
        body = await request.json()
        await self.note(self.beats, body)
        jobs = [
            {"id": j["id"], "attempt": j["attempt"],
             "action": self.actions.get(j["id"], "continue")}
            for j in body["jobs"]
        ]  # fmt: skip
        return web.json_response({
            "jobs": jobs, "lease_seconds": 60, "server_time": "2026-01-01T00:00:00Z",
            "settings": {"heartbeat_seconds": 1, "cancel_grace_seconds": 1,
                         "log_limit_bytes": self.log_limit_bytes},
            "prepare": self.prepare if body["changes_since"] and body["supports_may_build"] else [],
        })  # fmt: skip

    async def order(self, request):
        job_id, attempt = int(request.match_info["id"]), int(request.query["attempt"])
        self.orders.append(job_id)
        async with self.changed:
            with suppress(TimeoutError):
                told = self.changed.wait_for(lambda: job_id in self.told)
                await asyncio.wait_for(told, float(request.query["wait_seconds"]))
        action = self.told.get(job_id, "continue")
        return web.json_response({"id": job_id, "attempt": attempt, "action": action})

    async def logs(self, request):
        offset, chunk = int(request.query["offset"]), await request.read()
        self.log_requests.append((offset, len(chunk)))
        if offset > len(self.log):
            return problem(416, "A gap.", next_offset=len(self.log))
        self.log = self.log[:offset] + chunk
        await self.note()
        return web.json_response({"next_offset": len(self.log)})

    async def secrets(self, request):
        return web.json_response({"count": len(self.secrets_read), "values": self.secrets_read})

    async def artifact(self, request):
        name = request.match_info["name"]
        await self.note(self.artifacts, (name, await request.read()))
        return web.json_response({
            "id": 1, "job_id": 1, "attempt": 1, "name": name, "sha256": "", "size_bytes": 0,
            "created_at": "2026-01-01T00:00:00Z",
        })  # fmt: skip

    async def update(self, request):
        report = {"job_id": int(request.match_info["id"]), **await request.json()}
        if self.owned and self.owned["id"] == report["job_id"]:
            self.owned = None
        await self.note(self.reports, report)
        question = report.get("next_job")
        if question and not self.owned and self.waiting:
            self.owned = {**self.waiting.pop(0), "claim_key": question["claim_key"]}
        if self.after_report:
            self.after_report.pop(0)
            request.transport.abort()
        job = self.owned if question else None
        return web.json_response({"status": "ok", "job": job})

    async def download(self, request):
        return web.Response(
            body=self.packages[int(request.match_info["id"])], content_type="application/zip"
        )

    @web.middleware
    async def door(self, request, handler):
        for ending, answers in self.failures.items():
            if request.path.endswith(ending) and answers:
                status = answers.pop(0)
                await self.note()
                return problem(status, "As the test wants it.")
        for ending, pages in self.pages.items():
            if request.path.endswith(ending) and pages:
                return web.Response(text=pages.pop(0), content_type="text/html")
        is_open = request.path in ("/api/runner/register-robot", "/api/health/live")
        if not is_open and request.headers.get("X-Robot-Token") not in self.tokens:
            return problem(401, "The token is not known.")
        return await handler(request)


def problem(status, detail, **more):
    body = {"title": "No", "status": status, "detail": detail, **more}
    return web.Response(
        text=json.dumps(body), status=status, content_type="application/problem+json"
    )


async def live(request):
    return web.json_response({})


@asynccontextmanager
async def serving(tls=None):
    fake = FakeServer()
    app = web.Application(middlewares=[fake.door])
    app.router.add_get("/api/health/live", live)
    app.router.add_post("/api/runner/register-robot", fake.register)
    app.router.add_post("/api/runner/next-job", fake.next_job)
    app.router.add_post("/api/runner/heartbeat", fake.heartbeat)
    app.router.add_get("/api/runner/jobs/{id}/order", fake.order)
    app.router.add_post("/api/runner/jobs/{id}/logs", fake.logs)
    app.router.add_post("/api/runner/jobs/{id}/update", fake.update)
    app.router.add_get("/api/runner/jobs/{id}/secrets", fake.secrets)
    app.router.add_put("/api/runner/jobs/{id}/artifacts/{name}", fake.artifact)
    app.router.add_get("/api/packages/{id}/download", fake.download)
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(shutdown_timeout=0, ssl=tls)
    fake.url = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        await server.close()
