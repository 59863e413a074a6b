"""The network that misbehaves does so at once."""

import asyncio

import aiohttp

from orchestrator_server.chaos.proxy import FaultProxy


async def test_an_outage_cuts_what_is_under_way():
    proxy = FaultProxy("http://127.0.0.1:9")
    proxy.add("blackhole")
    async with proxy.serving(), aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.post(proxy.url))
        while not proxy.happened:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            await proxy.refuse()
        [error] = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(error, aiohttp.ServerDisconnectedError)
        await proxy.open()
        async with session.get(proxy.url) as answer:
            assert answer.status == 502
