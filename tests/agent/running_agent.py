"""Agents for tests: one in this process, and the real program."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

from robot_agent import data_folder
from robot_agent.agent import Agent
from robot_agent.config import Config


@asynccontextmanager
async def an_agent(server, folder, monkeypatch, min_free_bytes=0, name="bert"):
    monkeypatch.setattr("sdk.retry.until_answered.__kwdefaults__", FAST)
    config = Config(url=server.url, name=name, data=folder)
    with data_folder.opened(folder, min_free_bytes) as data:
        agent = Agent(config, "good-key", data)
        life = asyncio.create_task(agent.run())
        try:
            yield agent
            agent.stop()
            async with asyncio.timeout(10):
                await life
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)


FAST = {"stop": None, "first_seconds": 0.05, "most_seconds": 0.1}


@asynccontextmanager
async def the_program(server, folder, **variables):
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "robot_agent", "run", "--url", server.url, "--name", "bert",
        "--data", str(folder), stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "RUNWRIGHT_MACHINE_KEY": "good-key", **variables},
    )  # fmt: skip
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()
