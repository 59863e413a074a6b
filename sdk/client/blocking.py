"""The client for programs that are not asynchronous: the same methods, which wait.

with connect("https://orchestrator.example", token) as client:
    job = client.create_job(JobCreate(process="greet"))
    for job in client.list_jobs():
        print(job.id, job.status)
"""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import aiohttp

from sdk.client import Client, Listing
from sdk.proxies import proxy_for
from sdk.transport import Transport

T = TypeVar("T")


class BlockingClient:
    """Has every method of Client. A list is iterated with `for`; a result is just returned."""

    def __init__(self, client: Client, wait: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._client, self._wait = client, wait

    def __repr__(self) -> str:
        return f"Blocking{self._client!r}"

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name.startswith("_") or not callable(method):
            raise AttributeError(f"Client has no method {name}.")

        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            if isinstance(answer, Listing) or inspect.isasyncgen(answer):
                return self._each(answer)
            return self._wait(_of(answer))

        return call

    def _each(self, items: Listing[Any] | AsyncIterator[Any]) -> Iterator[Any]:
        iterator = aiter(items)
        while True:
            try:
                yield self._wait(_of(anext(iterator)))
            except StopAsyncIteration:
                return


@contextmanager
def connect(url: str, token: str | None = None) -> Iterator[BlockingClient]:
    """A client with a connection and a thread of its own, until the block is left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="runwright-client", daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    session = wait(_session(url))
    try:
        yield BlockingClient(Client(Transport(session, url), token), wait)
    finally:
        wait(session.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _session(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(proxy=proxy_for(url))


async def _of(answer: Awaitable[T]) -> T:
    return await answer
