"""What any server of this kind must do: read a JSON body into a Struct, and answer with one.

`python -m benchmarks.echo PORT`.
"""

import asyncio
import sys

import msgspec
from aiohttp import web


class Said(msgspec.Struct):
    process_id: int
    text: str = ""


class Question(msgspec.Struct):
    wait_seconds: float = 0


async def wait(request: web.Request) -> web.Response:
    """What the server does for a robot that has nothing to do."""
    asked = msgspec.json.decode(await request.read(), type=Question)
    await asyncio.sleep(asked.wait_seconds)
    said = {"job": None, "server_time": None}
    return web.Response(body=msgspec.json.encode(said), content_type="application/json")


async def echo(request: web.Request) -> web.Response:
    said = msgspec.json.decode(await request.read(), type=Said)
    return web.Response(body=msgspec.json.encode(said), content_type="application/json")


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/echo", echo)
    app.router.add_post("/api/runner/next-job", wait)
    app.router.add_post("/api/runner/heartbeat", wait)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
