"""What this agent says of itself to programs on this machine: /health, /status and /metrics.

It listens on loopback alone, asks nobody who they are, and tells no secret.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from robot_agent import metrics
from robot_agent.exits import AgentExit, Status
from robot_agent.standing import Lookout

ADDRESS = "127.0.0.1"
HOSTS = frozenset({ADDRESS, "localhost"})
SERVICE_PORT = 8471  # of agents that are services; no port that systems give out by themselves


def port_file(folder: Path) -> Path:
    """Where `robot-agent status` finds the port."""
    return folder / "health-port"


@asynccontextmanager
async def serving(port: int, lookout: Lookout, folder: Path) -> AsyncIterator[None]:
    """AgentExit if the port cannot be had; with port 0, nothing."""
    if not port:
        port_file(folder).unlink(missing_ok=True)  # of an earlier life
        yield
        return
    runner = web.AppRunner(_app(lookout), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, ADDRESS, port).start()
        except OSError as error:
            raise AgentExit(
                Status.CONFIG,
                f"Port {port} of {ADDRESS} cannot be had ({error.strerror}): another program may "
                "have it. Choose another one with --health-port, or 0 for none.",
            ) from error
        port_file(folder).write_text(f"{port}\n", encoding="ascii")
        yield
    finally:
        port_file(folder).unlink(missing_ok=True)
        await runner.cleanup()


def _app(lookout: Lookout) -> web.Application:
    async def health(_: web.Request) -> web.Response:
        status = 200 if lookout.is_healthy() else 503
        return web.Response(text=lookout.summary() + "\n", status=status)

    async def status(_: web.Request) -> web.Response:
        content = msgspec.json.encode(await lookout.standing())
        return web.Response(body=content, content_type="application/json")

    async def numbers(_: web.Request) -> web.Response:
        content = metrics.text(await lookout.standing()).encode()
        return web.Response(body=content, headers={"Content-Type": metrics.CONTENT_TYPE})

    app = web.Application(middlewares=[_only_for_here])
    app.add_routes(
        [
            web.get("/health", health),
            web.get("/status", status),
            web.get("/metrics", numbers),
        ]
    )
    return app


@web.middleware
async def _only_for_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page of the web may make its own name mean this machine; it cannot name it 127.0.0.1."""
    if request.url.host not in HOSTS:
        raise web.HTTPForbidden(text="Ask for 127.0.0.1.\n")
    return await handler(request)
