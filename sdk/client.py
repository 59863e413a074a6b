"""What a person, or their program, asks of the server, one method per endpoint."""

from pathlib import Path

import aiohttp

from sdk.contract.access import AccessToken, Login, Me
from sdk.contract.jobs import Job, JobCreate
from sdk.contract.machines import MachineCreate, MachineCreated
from sdk.contract.packages import Package
from sdk.contract.processes import Process, ProcessCreate
from sdk.contract.robots import Robot
from sdk.contract.server import Ready
from sdk.transport import Transport

UPLOAD_SECONDS = 600


class Client:
    """Without a token until `login`, or with one that was obtained earlier."""

    def __init__(self, transport: Transport, token: str | None = None) -> None:
        self._transport = transport
        if token is not None:
            self._use(token)

    def __repr__(self) -> str:
        return f"Client({self._transport!r})"

    def _use(self, token: str) -> None:
        self._transport = self._transport.with_headers({"Authorization": f"Bearer {token}"})

    async def login(self, username: str, password: str) -> AccessToken:
        """Log in; the requests that follow are made as this user."""
        login = Login(username=username, password=password)
        token = await self._transport.send("POST", "/api/auth/login", AccessToken, login)
        self._use(token.access_token)
        return token

    async def me(self) -> Me:
        return await self._transport.send("GET", "/api/auth/me", Me)

    async def create_machine(self, machine: MachineCreate) -> MachineCreated:
        return await self._transport.send("POST", "/api/machines", MachineCreated, machine)

    async def list_robots(self) -> list[Robot]:
        return await self._transport.send("GET", "/api/robots", list[Robot])

    async def upload_package(self, file: Path) -> Package:
        with file.open("rb") as content:
            form = aiohttp.FormData()
            form.add_field("file", content, filename=file.name, content_type="application/zip")
            return await self._transport.send(
                "POST", "/api/packages/upload", Package, form, timeout_seconds=UPLOAD_SECONDS
            )

    async def create_process(self, process: ProcessCreate) -> Process:
        return await self._transport.send("POST", "/api/processes", Process, process)

    async def create_job(self, job: JobCreate) -> Job:
        return await self._transport.send("POST", "/api/jobs", Job, job)

    async def get_job(self, job_id: int) -> Job:
        return await self._transport.send("GET", f"/api/jobs/{job_id}", Job)

    async def cancel_job(self, job_id: int) -> Job:
        return await self._transport.send("POST", f"/api/jobs/{job_id}/cancel", Job)

    async def read_log(self, job_id: int, offset: int = 0) -> bytes:
        """Return what follows `offset`, perhaps not all of it: ask on from where it ends."""
        return await self._transport.send(
            "GET", f"/api/jobs/{job_id}/logs", bytes, params={"offset": offset}
        )

    async def ready(self) -> Ready:
        return await self._transport.send("GET", "/api/health/ready", Ready)
