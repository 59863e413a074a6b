"""Waits, with a limit, for what no event tells: files, and other programs."""

import asyncio
from collections.abc import Callable

LOOK_SECONDS = 0.05
WAIT_SECONDS = 90.0  # longer than any lease


async def until(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """TimeoutError if it does not come true in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- there is no event
            await asyncio.sleep(LOOK_SECONDS)
