"""How each call of the client is sent: repeated where that is safe, lists page by page."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Generic, Protocol, TypeVar

import msgspec

from sdk.contract.base import ListQuery, Query
from sdk.errors import Unavailable, Unreachable
from sdk.retry import pause_seconds
from sdk.transport import Transport

T = TypeVar("T")
TRIES = 4
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
REQUEST_SECONDS = 30.0


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=_Numbered)


class Listing(Generic[R]):
    """A list of the server's, newest first: `await` gives one page, `async for` gives all."""

    def __init__(self, page: Callable[[ListQuery], Awaitable[list[R]]], query: ListQuery) -> None:
        self._page, self._query = page, query

    def __await__(self) -> Generator[object, None, list[R]]:
        return self._page(self._query).__await__()

    async def __aiter__(self) -> AsyncIterator[R]:
        query = self._query
        while True:
            items = await self._page(query)
            for item in items:
                yield item
            if len(items) < query.limit:
                return
            query = msgspec.structs.replace(query, cursor=str(items[-1].id))


class Requests:
    """What the calls of every resource are built on; `tries` is how often one is sent at most."""

    def __init__(
        self, transport: Transport, token: str | None = None, *, tries: int = TRIES
    ) -> None:
        self._transport = transport
        self._tries = tries
        if token is not None:
            self._use(token)

    def _use(self, token: str) -> None:
        self._transport = self._transport.with_headers({"Authorization": f"Bearer {token}"})

    def _list(self, path: str, item: type[R], query: ListQuery) -> Listing[R]:
        async def page(query: ListQuery) -> list[R]:
            items: list[R] = await self._get(path, list[item], query)  # type: ignore[valid-type]
            return items

        return Listing(page, query)

    async def _get(
        self,
        path: str,
        answer: type[T],
        query: Query | None = None,
        *,
        seconds: float = REQUEST_SECONDS,
    ) -> T:
        return await self._persistently(
            lambda: self._transport.send(
                "GET", path, answer, params=_params(query), timeout_seconds=seconds
            )
        )

    async def _change(
        self,
        method: str,
        path: str,
        answer: type[T],
        body: msgspec.Struct | None = None,
        *,
        repeatable: bool = False,
    ) -> T:
        """A change is sent again only if the server can tell that it is the same one: by its
        nature (PUT, DELETE; RFC 9110, 9.2.2), or by its Idempotency-Key."""
        headers = {"Idempotency-Key": str(uuid.uuid4())} if repeatable else {}

        def send() -> Awaitable[T]:
            return self._transport.send(
                method, path, answer, body, headers=headers, timeout_seconds=REQUEST_SECONDS
            )

        return await (self._persistently(send) if repeatable or method != "POST" else send())

    async def _persistently(self, send: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                return await send()
            except (Unreachable, Unavailable) as error:
                failures += 1
                if failures >= self._tries:
                    raise
                pause = pause_seconds(failures, error, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
                if pause > 2 * LONGEST_PAUSE_SECONDS:
                    raise  # asked to wait for longer than somebody sits and waits
                await asyncio.sleep(pause)


def _params(query: Query | None) -> dict[str, str]:
    if query is None:
        return {}
    given = msgspec.to_builtins(query)
    return {name: _spelled(value) for name, value in given.items() if value is not None}


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
