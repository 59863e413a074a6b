"""Starts the demo's server and robot as processes of their own, and ends them."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

STOP_SECONDS = 20.0


class Ended(Exception):
    """A process of the demo ended by itself; the message says where its log is."""


@asynccontextmanager
async def running(
    module: str, *arguments: str, log: Path, env: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m module arguments…`, with its output in `log`; ended politely, then firmly."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **env},
            start_new_session=True,  # Ctrl-C is for the demo, which stops them in order
        )
    try:
        yield process
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS / 2)
        except TimeoutError:
            continue


async def must_live(process: asyncio.subprocess.Process, name: str, log: Path) -> None:
    await process.wait()
    tail = (await asyncio.to_thread(log.read_bytes)).decode(errors="replace")[-2000:]
    raise Ended(f"The {name} ended with status {process.returncode}. Its log ends:\n{tail}")
