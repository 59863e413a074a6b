"""A script whose parent is not the agent."""

import asyncio

KILLED = -9  # by SIGKILL, which Windows, where there are none of these, has no name for


class WarmChild:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    async def wait(self) -> int:
        await self._ended.wait()
        return self.returncode if self.returncode is not None else KILLED

    def end(self, code: int) -> None:
        self.returncode = code
        self._ended.set()
