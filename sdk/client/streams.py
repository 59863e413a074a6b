"""What does not fit into one message: files on their way up, logs on their way down."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

import aiohttp

from sdk.client.requests import Requests
from sdk.contract.access import AccessToken, Login
from sdk.contract.jobs import Job, JobStatus, LogQuery
from sdk.contract.packages import Package
from sdk.contract.sdk_auth import SdkStatus, SdkStatusQuery
from sdk.errors import Unavailable, Unreachable

UPLOAD_SECONDS = 600
MARGIN_SECONDS = 10
FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED})
PIECE_BYTES = 64 * 1024

# How many bytes have left for the server; called for each piece.
Told = Callable[[int], object]


class StreamCalls(Requests):
    async def login(self, username: str, password: str) -> AccessToken:
        """Sign in; the requests that follow are made as this user."""
        login = Login(username=username, password=password)
        token = await self._transport.send("POST", "/api/auth/login", AccessToken, login)
        self._use(token.access_token)
        return token

    async def sdk_session_status(self, query: SdkStatusQuery, verifier: str) -> SdkStatus:
        """How a sign-in stands; the token, once it is confirmed. Waits as long as asked."""
        return await self._transport.send(
            "GET",
            "/api/sdk/auth/status",
            SdkStatus,
            params={"session_id": query.session_id, "wait_seconds": str(query.wait_seconds)},
            headers={"X-Code-Verifier": verifier},
            timeout_seconds=query.wait_seconds + MARGIN_SECONDS,
        )

    async def upload_package(self, file: Path, *, told: Told | None = None) -> Package:
        """Publish an archive, sent again if the line breaks; the server takes it once."""
        key = {"Idempotency-Key": str(uuid.uuid4())}

        async def send() -> Package:
            with file.open("rb") as content:
                form = aiohttp.FormData()
                form.add_field(
                    "file", _pieces(content, told), filename=file.name,
                    content_type="application/zip",
                )  # fmt: skip
                return await self._transport.send(
                    "POST", "/api/packages/upload", Package, form,
                    timeout_seconds=UPLOAD_SECONDS, headers=key,
                )  # fmt: skip

        return await self._persistently(send)

    async def read_log(self, job_id: int, offset: int = 0, attempt: int | None = None) -> bytes:
        """What follows `offset`, perhaps not all of it: ask on from where it ends."""
        query = LogQuery(offset=offset, attempt=attempt)
        return await self._get(f"/api/jobs/{job_id}/logs", bytes, query)

    async def follow_log(
        self,
        job_id: int,
        *,
        pause_seconds: float = 0.5,
        told_outage: Callable[[Exception], object] | None = None,
    ) -> AsyncIterator[bytes]:
        """What the job prints, while it prints it, until the job has ended and all of it was read.

        Goes on through an outage of a server that has answered once, for as long as it takes, and
        tells of each by `told_outage`; a new attempt begins its own log."""
        offset, attempt, is_there = 0, 0, None
        while True:
            try:
                job = await self._get(f"/api/jobs/{job_id}", Job)
                piece = await self.read_log(job_id, offset, attempt) if attempt else b""
            except (Unreachable, Unavailable) as error:
                if is_there is None:
                    raise
                if is_there and told_outage is not None:
                    told_outage(error)
                is_there = False
                await asyncio.sleep(pause_seconds)
                continue
            is_there = True
            offset += len(piece)
            if piece:
                yield piece
            elif job.attempt != attempt:
                offset, attempt = 0, job.attempt
            elif job.status in FINAL:
                return  # the status was asked for before the log, so nothing is missing
            else:
                await asyncio.sleep(pause_seconds)


async def _pieces(content: IO[bytes], told: Told | None) -> AsyncIterator[bytes]:
    sent = 0
    while piece := content.read(PIECE_BYTES):
        yield piece
        sent += len(piece)
        if told is not None:
            told(sent)
