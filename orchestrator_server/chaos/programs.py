"""The server and the agents of the site, as programs that can be killed, stopped and restarted."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

END_SECONDS = 30.0


class Program:
    """`python -m module …`, with its output in a file that is kept."""

    def __init__(self, module: str, arguments: list[str], log: Path, env: Mapping[str, str]):
        self.log = log
        self._command = [sys.executable, "-m", module, *arguments]
        self._env = {**os.environ, **env}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("The program was never started.")
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, failpoints: str = "") -> None:
        """`failpoints` as in sdk/failpoints.py, for this life alone."""
        faults = {"RUNWRIGHT_TEST": "1", "RUNWRIGHT_FAILPOINTS": failpoints}
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**self._env, **faults},
                start_new_session=True,  # Ctrl-C is for us, who end them in order
            )

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self, seconds: float = END_SECONDS) -> int:
        """Its status, when it has ended by itself."""
        if self._process is None:
            raise RuntimeError("The program was never started.")
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def kill(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    async def stop(self) -> None:
        """Ask twice, then kill."""
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGTERM):
            self.signal(number)
            if number is not signal.SIGCONT and self._process is not None:
                try:
                    async with asyncio.timeout(END_SECONDS / 2):
                        await self._process.wait()
                except TimeoutError:
                    continue
        await self.kill()
