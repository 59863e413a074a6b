"""An installation to be disturbed: a server, a network that misbehaves, robots, an operator."""

import asyncio
import io
import os
import secrets
import shutil
import signal
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from orchestrator_server.chaos.ports import free_port
from orchestrator_server.chaos.programs import Program
from orchestrator_server.chaos.proxy import FaultProxy
from orchestrator_server.chaos.waiting import LOOK_SECONDS, WAIT_SECONDS, until
from orchestrator_server.config import Config
from sdk.client import Client
from sdk.contract.jobs import Job, JobCreate, JobQuery, JobStatus
from sdk.contract.machines import MachineCreate
from sdk.contract.processes import ProcessCreate, Start
from sdk.errors import NotAnOrchestrator, Unavailable, Unreachable
from sdk.running import proc
from sdk.transport import Transport

FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED})


class Timers(msgspec.Struct):
    heartbeat_seconds: int = 1
    cancel_grace_seconds: int = 1


class Broken(Exception):
    """Something is not as it was promised; the message says what."""


class Site:
    """What a scenario disturbs. What it was told of each job is remembered, to be held against
    what is there at the end."""

    def __init__(self, folder: Path, database_url: str | None, port: int, password: str) -> None:
        self.folder = folder
        self.config = Config(data=folder / "server", database_url=database_url)
        self.effects = folder / "effects"
        self.agents: dict[str, Program] = {}
        self.final: dict[int, Job] = {}  # each job as it was when it was first seen at its end
        self._password = password
        self.url = f"http://127.0.0.1:{port}"
        self.proxy = FaultProxy(self.url)
        arguments = ["serve", "--port", str(port), "--data", str(self.config.data)]
        if database_url:
            arguments += ["--database-url", database_url]
        self.server = Program(
            "orchestrator_server",
            arguments,
            folder / "server.log",
            {"RUNWRIGHT_ADMIN_PASSWORD": password},
        )
        self._client: Client | None = None
        self._process_id = 0
        self._round = 1
        self._machine_key = ""

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, database_url: str | None, start: Start = "cold"
    ) -> AsyncIterator["Site"]:
        """A server that is ready, with a process to run, and no robot yet."""
        site = cls(folder, database_url, free_port(), secrets.token_urlsafe(12))
        site.effects.mkdir()
        async with aiohttp.ClientSession() as session, site.proxy.serving():
            site._client = Client(Transport(session, site.url))
            try:
                await site.start_server()
                await site._furnish(start)
                yield site
            finally:
                for program in (*site.agents.values(), site.server):
                    await program.stop()

    async def tidy(self) -> None:
        """Make ready for the next disturbance: no robots, no faults, a server that lives."""
        for program in self.agents.values():
            await program.stop()
        self.agents = {}
        self.proxy.forget()
        self._round += 1
        self.effects = self.folder / f"effects {self._round}"
        self.effects.mkdir()
        if not self.server.lives:
            await self.start_server()

    def data_of(self, agent: str) -> Path:
        return self.folder / f"{agent} {self._round}"

    @property
    def client(self) -> Client:
        """The operator's view, past the network that misbehaves."""
        if self._client is None:
            raise RuntimeError("The site is not open.")
        return self._client

    async def start_server(self, failpoints: str = "") -> None:
        """Return when it is ready."""
        await self.server.start(failpoints)
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                try:
                    await self.client.live()
                except (Unreachable, Unavailable, NotAnOrchestrator):
                    if not self.server.lives:
                        raise Broken("The server does not start; see its log.") from None
                    await asyncio.sleep(LOOK_SECONDS)
                else:
                    return

    async def start_agent(
        self, name: str = "robot", failpoints: str = "", *options: str, data: Path | None = None
    ) -> Program:
        """An agent, or the one of that name again, in the same folder."""
        if name not in self.agents:
            key_file = self.folder / "machine.key"
            key_file.touch(mode=0o600)
            key_file.write_text(self._machine_key, encoding="ascii")
            arguments = ["run", "--url", self.proxy.url, "--machine-key-file", str(key_file)]
            arguments += ["--name", name, "--min-free-mib", "0", *options]
            arguments += ["--data", str(data or self.data_of(name))]
            log = self.folder / f"{name}.log"
            self.agents[name] = Program("robot_agent", arguments, log, {})
        await self.agents[name].start(failpoints)
        return self.agents[name]

    def copy_of(self, name: str) -> Path:
        """The data folder of an agent as a snapshot of its machine would have it."""
        copy = self.data_of(f"copy of {name}")
        shutil.copytree(self.data_of(name), copy)
        return copy

    async def job(self, do: str = "quick", *, times: int = 1, **wanted: Any) -> int:
        """Ask for a job that behaves so; what is no field of JobCreate is for the script."""
        fields = {k: wanted.pop(k) for k in list(wanted) if k in JobCreate.__struct_fields__}
        parameters = {"do": do, "effects": str(self.effects), **wanted}
        asked = JobCreate(
            process_id=self._process_id, parameters=parameters, max_attempts=times, **fields
        )
        return (await self.client.create_job(asked)).id

    async def when(self, job_id: int, *statuses: JobStatus) -> Job:
        """The job, once it has one of these statuses."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                job = await self._look(job_id)
                if job is not None and job.status in statuses:
                    return job
                await asyncio.sleep(LOOK_SECONDS)

    async def ended(self, job_id: int) -> Job:
        return await self.when(job_id, *FINAL)

    async def settled(self) -> None:
        """Return when every job has ended."""
        async for job in self.client.list_jobs(JobQuery(limit=500)):
            await self.ended(job.id)

    async def noted(self, what: str, times: int = 1) -> None:
        """Return when scripts have noted that, so many times."""
        await until(lambda: sum(note.startswith(f"{what} ") for note in self.notes()) >= times)

    async def said(self, agent: str, words: str) -> None:
        """Return when the agent has logged that."""
        log = self.agents[agent].log
        await until(lambda: words.encode() in log.read_bytes())

    async def gone(self, pid: int, seconds: float) -> None:
        """Return when there is no such process any more."""
        try:
            await until(lambda: pid not in proc.living(), seconds)
        except TimeoutError:
            raise Broken(f"Process {pid} still lives after {seconds:g} s.") from None

    async def log_end(self, job_id: int) -> str:
        """The last line of the job's log."""
        whole = b""
        while piece := await self.client.read_log(job_id, len(whole)):
            whole += piece
        return whole.rstrip(b"\n").rpartition(b"\n")[2].decode(errors="replace")

    def hidden(self) -> set[int]:
        """The processes that scripts started without a trace of where they come from."""
        return {int(note.split()[2]) for note in self.notes() if note.startswith("hidden ")}

    def forgive_hidden(self) -> None:
        """Nobody promised that these end; we end them."""
        for pid in self.hidden() & proc.living():
            os.kill(pid, signal.SIGKILL)

    async def asked(self, times: int) -> None:
        """Return when robots have asked for work, so many times in this round."""
        await until(lambda: self.proxy.passed.count("/api/runner/next-job") >= times)

    def notes(self) -> list[str]:
        file = self.effects / "effects"
        return file.read_text(encoding="ascii").splitlines() if file.exists() else []

    def let_go(self) -> None:
        """Scripts that wait may end."""
        (self.effects / "go").touch()

    def hold(self) -> None:
        (self.effects / "go").unlink(missing_ok=True)

    async def _look(self, job_id: int) -> Job | None:
        try:
            job = await self.client.get_job(job_id)
        except (Unreachable, Unavailable, NotAnOrchestrator):
            return None  # it is being disturbed
        if job.status in FINAL:
            self.final.setdefault(job_id, job)
        return job

    async def _furnish(self, start: Start) -> None:
        await self.client.login("admin", self._password)
        await self.client.change_jobs_settings(Timers())
        machine = await self.client.create_machine(MachineCreate(name="mill"))
        self._machine_key = machine.machine_key or ""
        archive = self.folder / "probe_1.0.0.zip"
        archive.write_bytes(_packed(Path(__file__).with_name("probe.py")))
        package = await self.client.upload_package(archive)
        process = await self.client.create_process(
            ProcessCreate(name="probe", package_id=package.id, script_path="main.py", start=start)
        )
        self._process_id = process.id


def _packed(script: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.write(script, "main.py")
    return content.getvalue()
