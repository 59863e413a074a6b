"""The real server as a process of its own, to be killed and started again."""

import asyncio
import os
import resource
import signal
import socket
import sys
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial

import aiohttp

from tests.support.world import ADMIN_PASSWORD


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def failing_at(failpoints):
    """The environment of a process that meets these failpoints: "claim.before_commit=kill"."""
    return {"RUNWRIGHT_TEST": "1", "RUNWRIGHT_FAILPOINTS": failpoints}


class ServerProcess:
    """`orchestrator serve` on a port that stays the same over restarts.

    `files` are the soft and the hard limit of its open files; `log` is a file for what it logs.
    """

    def __init__(
        self,
        data,
        database_url=None,
        program=("orchestrator_server",),
        *,
        arguments=(),
        files=None,
        log=None,
    ):
        self._limit = partial(resource.setrlimit, resource.RLIMIT_NOFILE, files) if files else None
        self._log = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = [*program, "serve", "--port", str(self.port), "--data", str(data)]
        if database_url:
            self._arguments += ["--database-url", database_url]
        self._arguments += arguments
        self.process = None

    async def start(self, **environment):
        """Return when it is ready. `environment` is what it finds in its own, this time."""
        with self._log.open("ab") if self._log else nullcontext() as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *self._arguments),
                env={**os.environ, "RUNWRIGHT_ADMIN_PASSWORD": ADMIN_PASSWORD, **environment},
                stderr=log,
                preexec_fn=self._limit,
            )
        async with asyncio.timeout(20), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/api/health/ready") as answer:
                        if answer.status == 200:
                            return
                assert self.process.returncode is None, "the server ended by itself"
                await asyncio.sleep(0.01)

    async def kill(self):
        self.process.kill()
        await self.process.wait()

    async def killed_itself(self):
        """Return when it has come to a failpoint that kills."""
        async with asyncio.timeout(20):
            assert await self.process.wait() == -signal.SIGKILL

    async def stop(self):
        """Ask it to stop; return its status."""
        self.process.terminate()
        async with asyncio.timeout(15):
            return await self.process.wait()


@asynccontextmanager
async def a_server(
    data,
    database_url=None,
    program=("orchestrator_server",),
    *,
    arguments=(),
    files=None,
    log=None,
    **environment,
):
    server = ServerProcess(data, database_url, program, arguments=arguments, files=files, log=log)
    try:
        await server.start(**environment)
        yield server
    finally:
        if server.process.returncode is None:
            await server.kill()
