"""Run one child process and all it spawns; end it politely, then firmly."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdk.contract.jobs import Reason
from sdk.running import family
from sdk.running.family import NOBODY, Swept


class Ended(StrEnum):
    BY_ITSELF = "by_itself"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True)
class Exit:
    code: int  # negative: ended by that signal
    ended: Ended
    swept: Swept = NOBODY  # of its family, who had to be killed


class StopOrder:
    """Asks a job to end, politely or at once; the first reason is the one that is told."""

    def __init__(self) -> None:
        self.given = asyncio.Event()
        self.at_once = asyncio.Event()
        self.reason: Reason | None = None

    def stop(self, reason: Reason) -> None:
        if self.reason is None:
            self.reason = reason
        self.given.set()

    def kill(self, reason: Reason) -> None:
        self.stop(reason)
        self.at_once.set()


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
) -> Exit:
    """Return when the child has ended and its family with it: whoever has `mark` in the
    environment, and whoever is in its process group. OSError if it cannot start."""
    # Output goes to a file, not a pipe: a grandchild that keeps a pipe open would keep
    # us waiting, and a file outlives a crash of this agent.
    with output.open("wb") as file:
        child = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=asyncio.subprocess.STDOUT,
            **family.start_options(),
        )
    try:
        ended = await _wait(child, order, time_limit)
        if ended is not Ended.BY_ITSELF and not order.at_once.is_set():
            await family.ask_to_stop(child)
            await _grace(child, order, grace)
    finally:
        # Those that can be told first, so that they are counted; then who is in the group still.
        swept = await asyncio.to_thread(family.sweep, mark)
        await family.kill(child)
    return Exit(await child.wait(), ended, swept)


async def _wait(
    child: asyncio.subprocess.Process, order: StopOrder, time_limit: float | None
) -> Ended:
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


async def _grace(child: asyncio.subprocess.Process, order: StopOrder, grace: float) -> None:
    """Leave the child its time to tidy up, unless the order becomes "at once" meanwhile."""
    ending = [asyncio.create_task(child.wait()), asyncio.create_task(order.at_once.wait())]
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in ending:
            task.cancel()
