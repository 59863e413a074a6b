"""A script whose parent is not the agent."""

import asyncio
from contextlib import suppress
from pathlib import Path

from sdk.running.launch import Launch

KILLED = -9  # by SIGKILL, which Windows, where there are none of these, has no name for


class WarmChild:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    @classmethod
    def of(cls, launch: Launch, pid: int) -> "WarmChild":
        """OSError if it is no process of that account: a parent runs modules of a package, and what
        it names as a script is killed later, by root."""
        with suppress(FileNotFoundError):  # it has ended already
            if launch.account and Path(f"/proc/{pid}").stat().st_uid != launch.account.user_id:
                raise PermissionError(f"process {pid} belongs to another account")
        return cls(pid)

    async def wait(self) -> int:
        await self._ended.wait()
        return self.returncode if self.returncode is not None else KILLED

    def end(self, code: int) -> None:
        self.returncode = code
        self._ended.set()
