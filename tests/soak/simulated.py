"""`robot-agent` as it is, but that no process is started: a script is only acted out.

Claim keys, journal, lives, heartbeats, orders, logs and reports are the agent's own; it takes the
options of `robot-agent`. Two hundred Pythons more would need a machine that nobody has.
"""

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path

import aiohttp

from robot_agent import job_runner, log_stream
from robot_agent.__main__ import main
from robot_agent.journal import Entry
from robot_agent.running import RunningJob
from robot_agent.workplace import Workplace
from sdk.contract.runner import JobReport
from sdk.running.outcome import as_told, report_for
from sdk.running.process import Ended, Exit

SERVER_VARIABLE = "RUNWRIGHT_SOAK_SERVER"  # its address past the network that misbehaves
LOOK_SECONDS = 5.0  # fifty robots that look five times a second do nothing else
PIECES, PIECE_BYTES, PIECE_SECONDS = 20, 1000, 0.1
ENDED_BY_SIGTERM = -15


class Acting:
    """What chaos/probe.py does, told by the same parameters and noted in the same files."""

    def __init__(self, job: RunningJob) -> None:
        self._job = job
        self._asked = job.assignment.parameters
        self._fence = f"{job.assignment.id}.{job.assignment.attempt}"
        self._effects = Path(self._asked["effects"])

    def note(self, what: str) -> None:
        with (self._effects / "effects").open("a", encoding="ascii") as file:
            file.write(f"{what} {self._fence} {os.getpid()}\n")

    async def play(self) -> int:
        """Its exit status."""
        match self._asked["do"]:
            case "lines":
                await self._lines()
            case "quick":
                self._say(b"hello\n")
            case "raw":
                self._say(bytes(range(256)) * 64 + b"\x1b[31m\r\r\r\0no end of line")
            case "family":
                pass  # it has none
            case _:
                return 1
        if "artifact" in self._asked:
            await self._leave(self._asked["artifact"])
        self.note("finished")
        result = json.dumps({"fence": self._fence})
        (self._job.folder / "result.json").write_text(result, encoding="utf-8")
        return 0

    async def _lines(self) -> None:
        for number in range(self._asked["lines"]):
            self._say(f"line {number} of {self._fence}\n".encode())
            await asyncio.sleep(self._asked["pause"])

    def _say(self, content: bytes) -> None:
        """The copy first: of a script that is ended the log may have less, never more."""
        for file in (self._effects / f"{self._fence}.printed", self._job.folder / "output.log"):
            with file.open("ab") as opened:
                opened.write(content)

    async def _leave(self, name: str) -> None:
        """Send a file over a slow line; whoever is killed meanwhile has a part of it."""
        url = f"{os.environ[SERVER_VARIABLE]}/api/runtime/artifacts/{name}"
        headers = {
            "Authorization": f"Bearer {self._job.assignment.job_token}",
            "Content-Type": "application/octet-stream",
        }
        with suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession() as session:
                await session.put(url, data=_slowly(), headers=headers)


async def _slowly():
    for _ in range(PIECES):
        yield bytes(PIECE_BYTES)
        await asyncio.sleep(PIECE_SECONDS)


async def act(place: Workplace, job: RunningJob, entry: Entry, _: object) -> JobReport:
    """In the place of `job_runner._run_script`, with the same entries in the journal."""
    job.phase = "running"
    acting = Acting(job)
    acting.note("started")
    await job_runner._note_started(place, entry)
    playing = asyncio.create_task(acting.play())
    stop = asyncio.create_task(job.order.given.wait())
    try:
        await asyncio.wait({playing, stop}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            exit = Exit(playing.result(), Ended.BY_ITSELF)
        else:
            exit = Exit(ENDED_BY_SIGTERM, Ended.STOPPED)
    finally:
        playing.cancel()
        stop.cancel()
        await asyncio.gather(playing, stop, return_exceptions=True)
    return as_told(report_for(exit, job.order, None), job.folder)


if __name__ == "__main__":
    job_runner._run_script = act
    log_stream.LOOK_SECONDS = LOOK_SECONDS
    main(prog_name="robot-agent")
