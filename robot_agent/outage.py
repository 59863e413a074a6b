"""While nobody answers, all robots of an agent together ask once a second at most.

Each loop has pauses of its own; many of them would still be many requests.
"""

import asyncio
from contextlib import suppress

from robot_agent.clock import now

TURN_SECONDS = 1.0


class Outage:
    def __init__(self) -> None:
        self._is_over = asyncio.Event()
        self._is_over.set()
        self._next_turn_at = 0.0

    async def turn(self) -> None:
        """Return at once while somebody answers, else when it is our turn, or when it is over."""
        while not self._is_over.is_set():
            at = max(now(), self._next_turn_at)
            if at <= now():
                self._next_turn_at = at + TURN_SECONDS
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), at - now())

    def note(self, *, is_answered: bool) -> None:
        if is_answered:
            self._is_over.set()
        elif self._is_over.is_set():
            self._is_over.clear()
            self._next_turn_at = now() + TURN_SECONDS
