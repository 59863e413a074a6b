"""A script whose parent is not the agent."""

import asyncio
import signal


class WarmChild:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        return self.returncode if self.returncode is not None else -signal.SIGKILL

    def end(self, code: int) -> None:
        self.returncode = code
        self._ended.set()
