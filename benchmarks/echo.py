"""What any server of this kind must do: read a JSON body into a Struct, and answer with one.

`python -m benchmarks.echo PORT`.
"""

import sys

import msgspec
from aiohttp import web


class Said(msgspec.Struct):
    process_id: int
    text: str = ""


async def echo(request: web.Request) -> web.Response:
    said = msgspec.json.decode(await request.read(), type=Said)
    return web.Response(body=msgspec.json.encode(said), content_type="application/json")


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/echo", echo)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
