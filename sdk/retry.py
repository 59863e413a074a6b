"""Repeats a request until somebody who understands it has answered."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sdk.errors import NotAnOrchestrator, Unavailable, Unreachable

T = TypeVar("T")

# Beyond this a Retry-After is taken for a mistake, which must not silence a robot for a year.
LONGEST_RETRY_AFTER_SECONDS = 3600.0
WORTH_REPEATING = (Unreachable, NotAnOrchestrator, Unavailable)

log = logging.getLogger(__name__)
_dice = random.SystemRandom()  # robots that were started together must not come back together


class GaveUp(Exception):
    """The wait for an answer was ended from outside."""


async def until_answered(
    call: Callable[[], Awaitable[T]],
    *,
    stop: asyncio.Event | None = None,
    first_seconds: float = 1.0,
    most_seconds: float = 60.0,
) -> T:
    """Call until it is answered, whatever the answer; `GaveUp` if `stop` is set meanwhile."""
    failures = 0
    while True:
        try:
            answer = await call()
        except WORTH_REPEATING as error:
            failures += 1
            if failures == 1:
                log.warning("No usable answer from the server, asking until there is: %s", error)
            seconds = pause_seconds(failures, error, first_seconds, most_seconds)
            if await _set_within(stop, seconds):
                raise GaveUp("Stopped while waiting for the server.") from error
        else:
            if failures:
                log.info("The server answers again, after %d failures.", failures)
            return answer


def pause_seconds(
    failures: int, error: Exception | None, first_seconds: float, most_seconds: float
) -> float:
    """Full jitter, doubling with each failure; never less than the first, or than was asked for."""
    ceiling = min(most_seconds, first_seconds * 2.0 ** min(failures, 30))
    pause = max(first_seconds, _dice.uniform(0, ceiling))
    if isinstance(error, Unavailable) and error.retry_after_seconds is not None:
        asked_for = min(error.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS)
        pause = max(pause, asked_for + _dice.uniform(0, first_seconds))
    return pause


async def _set_within(stop: asyncio.Event | None, seconds: float) -> bool:
    if stop is None:
        await asyncio.sleep(seconds)
        return False
    try:
        async with asyncio.timeout(seconds):
            return await stop.wait()
    except TimeoutError:
        return False
