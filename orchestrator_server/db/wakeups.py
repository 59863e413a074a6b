"""Who is waiting, robots for a job or for word about one, and how one of them is woken.

A wake-up is a hint: whoever is woken still has to claim, and whoever is not is woken by the
look that maintenance takes once a second. So a lost hint costs a second for each robot that is
woken in vain, never a job.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

W = TypeVar("W")


class Wakeups(Generic[W]):
    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], W] = {}  # as what, in the order they came
        self._closed = False

    async def wait(self, as_: W, seconds: float) -> bool:
        """Whether it was woken, by a wake-up or because the server stops; else the time is up."""
        if self._closed:
            return True
        with self.listening(as_) as woken, suppress(TimeoutError):
            await asyncio.wait_for(woken, seconds)
        return woken.done() and not woken.cancelled()

    @contextmanager
    def listening(self, as_: W) -> Iterator[asyncio.Future[None]]:
        """Gives what is done when woken; who looks after that misses nothing."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[woken] = as_
        try:
            yield woken
        finally:
            self._waiting.pop(woken, None)

    def wake_one(self, fits: Callable[[W], bool]) -> bool:
        """Wake who fits and has waited longest; whether there was one."""
        for woken, as_ in self._waiting.items():
            if not woken.done() and fits(as_):
                woken.set_result(None)
                return True
        return False

    def wake_each(self, should: Callable[[W], bool]) -> bool:
        """Ask of each who waits, the longest first, and wake whom it is said of; whether any."""
        woken = [w for w, as_ in self._waiting.items() if not w.done() and should(as_)]
        for one in woken:
            one.set_result(None)
        return bool(woken)

    @property
    def count(self) -> int:
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Let everybody go: the server stops."""
        self._closed = True
        self.wake_each(lambda _: True)
