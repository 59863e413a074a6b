"""Which robots are waiting for a job, and how one of them is woken.

A wake-up is a hint: whoever is woken still has to claim, and whoever is not is woken by the
look that maintenance takes once a second. So a lost hint costs a second for each robot that is
woken in vain, never a job.
"""

import asyncio
from contextlib import suppress


class Wakeups:
    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], int] = {}  # in the order they came
        self._closed = False

    async def wait(self, robot_id: int, seconds: float) -> None:
        """Return when woken, when the time is up, or when the server stops."""
        if self._closed:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[woken] = robot_id
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(woken, seconds)
        finally:
            self._waiting.pop(woken, None)

    def wake_one(self, robot_id: int | None = None) -> None:
        """Wake the robot that a job wants, else the one that has waited longest."""
        for woken, waiting_robot in self._waiting.items():
            if not woken.done() and robot_id in (None, waiting_robot):
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
