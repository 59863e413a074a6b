"""The command `sdk` as a shell runs it: a process of its own, with a home of its own."""

import asyncio
import os
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Sdk:
    def __init__(self, home, **env):
        self.home = home
        keep = {n: v for n, v in os.environ.items() if not n.startswith(("RUNWRIGHT_", "SSH_"))}
        own = {"RUNWRIGHT_CONFIG_DIR": str(home), "RUNWRIGHT_NO_KEYRING": "1"}
        self.env = {**keep, "PYTHONPATH": str(ROOT), **own, **env}

    async def start(self, *arguments, cwd=None, **more):
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sdk.cli", *map(str, arguments),
            cwd=cwd or ROOT, env=self.env, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, **more,
        )  # fmt: skip

    async def __call__(self, *arguments, stdin="", cwd=None):
        process = await self.start(*arguments, cwd=cwd)
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin.encode())
        return Ended(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    async def sign_in(self, admin, *scopes):
        """As `sdk login` does, confirmed over the API; gives what it said."""
        chosen = [word for scope in scopes for word in ("--scope", scope)]
        process = await self.start("login", admin.url, "--no-browser", *chosen)
        code = await code_said(process)
        await admin.post("/api/sdk/auth/confirm", 200, user_code=code)
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert process.returncode == 0, err
        return Ended(0, out.decode(), err.decode())


async def code_said(process):
    async with asyncio.timeout(30):
        line = (await process.stderr.readline()).decode()
    assert "code is" in line, line + (await process.stderr.read()).decode()
    return line.split()[-1]
