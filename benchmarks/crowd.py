"""Robots without work, each with a question open and a beat now and then:
`python -m benchmarks.crowd URL SECONDS`, their tokens on stdin, a line each.

A program of its own, so that what it costs is not the server's.
"""

import asyncio
import sys
from contextlib import AsyncExitStack, suppress

import aiohttp

WAIT_SECONDS = 20
BEAT_SECONDS = 10
ROBOTS_OF_A_MACHINE = 50


async def main(url, seconds, tokens):
    machines = range(0, len(tokens), ROBOTS_OF_A_MACHINE)
    async with (
        AsyncExitStack() as stack,
        asyncio.timeout(seconds) as time,
        asyncio.TaskGroup() as all_,
    ):
        for number, first in enumerate(machines):
            connector = aiohttp.TCPConnector(limit=0, local_addr=(f"127.0.1.{number + 1}", 0))
            session = await stack.enter_async_context(
                aiohttp.ClientSession(url, connector=connector)
            )
            for token in tokens[first : first + ROBOTS_OF_A_MACHINE]:
                headers = {"X-Robot-Token": token}
                all_.create_task(_ask(session, headers))
                all_.create_task(_beat(session, headers))
                await asyncio.sleep(BEAT_SECONDS / len(tokens))  # beats are spread, as in life
        print("there", flush=True)
        time.reschedule(asyncio.get_running_loop().time() + seconds)


async def _ask(session, headers):
    while True:
        question = {"wait_seconds": WAIT_SECONDS}
        async with session.post("/api/runner/next-job", json=question, headers=headers) as answer:
            assert answer.status == 200, await answer.text()


async def _beat(session, headers):
    beat = {"jobs": [], "supports_may_build": True}
    while True:
        async with session.post("/api/runner/heartbeat", json=beat, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            beat["changes_since"] = (await answer.json())["server_time"]
        await asyncio.sleep(BEAT_SECONDS)


if __name__ == "__main__":
    with suppress(TimeoutError):
        asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.stdin.read().split()))
