"""Who is waiting, robots for a job or for word about one, and how one of them is woken.

A wake-up is a hint: whoever is woken still has to claim, and whoever is not is woken by the
look that maintenance takes once a second. So a lost hint costs a second for each robot that is
woken in vain, never a job.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wakeups:
    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], int] = {}  # by id, in the order they came
        self._closed = False

    async def wait(self, id_: int, seconds: float) -> None:
        """Return when woken, when the time is up, or when the server stops."""
        if self._closed:
            return
        with self.listening(id_) as woken, suppress(TimeoutError):
            await asyncio.wait_for(woken, seconds)

    @contextmanager
    def listening(self, id_: int) -> Iterator[asyncio.Future[None]]:
        """Gives what is done when woken; who looks after that misses nothing."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[woken] = id_
        try:
            yield woken
        finally:
            self._waiting.pop(woken, None)

    def wake_one(self, id_: int | None = None) -> None:
        """Wake who waits as `id_`, or else who has waited longest."""
        for woken, waiting in self._waiting.items():
            if not woken.done() and id_ in (None, waiting):
                woken.set_result(None)
                return

    def wake(self, count: int) -> None:
        for woken in [woken for woken in self._waiting if not woken.done()][:count]:
            woken.set_result(None)

    @property
    def count(self) -> int:
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Let everybody go: the server stops."""
        self._closed = True
        self.wake(len(self._waiting))
