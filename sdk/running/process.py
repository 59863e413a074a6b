"""Run one script and all it spawns; end it politely, then firmly."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdk.contract.jobs import Reason
from sdk.running import regular_files
from sdk.running.child import Child
from sdk.running.counts import NOBODY, Swept
from sdk.running.family import Family


class Ended(StrEnum):
    BY_ITSELF = "by_itself"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True)
class Exit:
    code: int  # negative: ended by that signal
    ended: Ended
    swept: Swept = NOBODY  # of its family, who had to be killed
    ending_seconds: float = (
        0.0  # from the moment it was to end, or had ended, until nobody was left
    )


class StopOrder:
    """Asks a job to end, politely or at once; the first reason is the one that is told."""

    def __init__(self) -> None:
        self.given = asyncio.Event()
        self.at_once = asyncio.Event()
        self.reason: Reason | None = None
        self.why = ""  # a sentence, where the reason alone does not say enough

    def stop(self, reason: Reason, why: str = "") -> None:
        if self.reason is None:
            self.reason, self.why = reason, why
        self.given.set()

    def kill(self, reason: Reason, why: str = "") -> None:
        self.stop(reason, why)
        self.at_once.set()


Begun = Callable[[Family], Awaitable[None]]
Start = Callable[..., Awaitable[Family]]  # as Family.start


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: Path,
    order: StopOrder,
    time_limit: float | None,
    grace: float,
    mark: str,
    begun: Begun | None = None,
    start: Start = Family.start,
) -> Exit:
    """Return when the child has ended and its family with it: whoever has `mark` in the
    environment, and whoever is in its process group. OSError if it cannot start."""
    # Output goes to a file, not a pipe: a grandchild that keeps a pipe open would keep
    # us waiting, and a file outlives a crash of this agent. It is appended to, so that the
    # file can be cut shorter meanwhile.
    to = regular_files.descriptor_of(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with os.fdopen(to, "ab") as file:
        family = await start(argv, cwd=cwd, env=env, output=file, mark=mark)
    try:
        if begun is not None:
            await begun(family)
        ended = await _wait(family.child, order, time_limit)
        ending_since = time.monotonic()
        if ended is not Ended.BY_ITSELF and not order.at_once.is_set():
            family.ask_to_stop()
            await _grace(family.child, order, grace)
    finally:
        swept = await family.end()
    if said := family.why_not_started(output):
        raise OSError(said)
    seconds = time.monotonic() - ending_since
    return Exit(await family.child.wait(), ended, swept, seconds)


async def _wait(child: Child, order: StopOrder, time_limit: float | None) -> Ended:
    waiting_for = {
        asyncio.create_task(child.wait()): Ended.BY_ITSELF,
        asyncio.create_task(order.given.wait()): Ended.STOPPED,
    }
    try:
        done, _ = await asyncio.wait(
            waiting_for, timeout=time_limit, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for task in waiting_for:
            task.cancel()
    return next((why for task, why in waiting_for.items() if task in done), Ended.TIMED_OUT)


async def _grace(child: Child, order: StopOrder, grace: float) -> None:
    """Leave the child its time to tidy up, unless the order becomes "at once" meanwhile."""
    ending = [asyncio.create_task(child.wait()), asyncio.create_task(order.at_once.wait())]
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in ending:
            task.cancel()
