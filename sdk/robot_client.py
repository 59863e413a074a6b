"""What a robot asks of its server, one method per endpoint."""

from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from sdk.contract.jobs import Artifact
from sdk.contract.runner import (
    Heartbeat,
    HeartbeatAnswer,
    JobAction,
    JobReport,
    LogAnswer,
    NextJob,
    NextJobAnswer,
    ReportAnswer,
    RobotRegister,
    RobotRegistered,
    SecretsRead,
)
from sdk.transport import Transport

TOKEN_HEADER = "X-Robot-Token"  # noqa: S105 -- the name of a header, not a secret
CLAIM_MARGIN_SECONDS = 10  # on top of the wait that was asked for
ARTIFACT_SECONDS = 600  # 64 MiB over a slow line
REPORT_SECONDS = 30  # a result may be a megabyte, and the line slow
LOG_CHUNK_BYTES = 256 * 1024


async def register(transport: Transport, request: RobotRegister) -> RobotRegistered:
    """Make the robot known, or known again; only this call is made without a token."""
    return await transport.send("POST", "/api/runner/register-robot", RobotRegistered, request)


class RobotClient:
    def __init__(self, transport: Transport, token: str) -> None:
        self._transport = transport.with_headers({TOKEN_HEADER: token})

    def __repr__(self) -> str:
        return f"RobotClient({self._transport!r})"

    async def claim(self, request: NextJob) -> NextJobAnswer:
        return await self._transport.send(
            "POST",
            "/api/runner/next-job",
            NextJobAnswer,
            request,
            timeout_seconds=request.wait_seconds + CLAIM_MARGIN_SECONDS,
        )

    async def beat(self, beat: Heartbeat) -> HeartbeatAnswer:
        return await self._transport.send("POST", "/api/runner/heartbeat", HeartbeatAnswer, beat)

    async def order(
        self, job_id: int, attempt: int, *, stop_requested: bool, wait: float
    ) -> JobAction:
        """What to do with a running attempt; answered at once when there is news of it."""
        return await self._transport.send(
            "GET",
            f"/api/runner/jobs/{job_id}/order",
            JobAction,
            params={
                "attempt": attempt,
                "stop_requested": "true" if stop_requested else "false",
                "wait_seconds": str(wait),
            },
            timeout_seconds=wait + CLAIM_MARGIN_SECONDS,
        )

    async def secrets_read(self, job_id: int, attempt: int) -> SecretsRead:
        return await self._transport.send(
            "GET", f"/api/runner/jobs/{job_id}/secrets", SecretsRead, params={"attempt": attempt}
        )

    async def append_log(
        self, job_id: int, attempt: int, offset: int, chunk: bytes, *, secrets_known: int
    ) -> LogAnswer:
        """Send at most LOG_CHUNK_BYTES; `LogGap` if the server lacks what comes before."""
        return await self._transport.send(
            "POST",
            f"/api/runner/jobs/{job_id}/logs",
            LogAnswer,
            chunk,
            params={"attempt": attempt, "offset": offset, "secrets_known": secrets_known},
            timeout_seconds=REPORT_SECONDS,
        )

    async def report(self, job_id: int, report: JobReport) -> ReportAnswer:
        return await self._transport.send(
            "POST",
            f"/api/runner/jobs/{job_id}/update",
            ReportAnswer,
            report,
            timeout_seconds=REPORT_SECONDS,
        )

    async def bring_artifact(
        self, job_id: int, attempt: int, name: str, content: BinaryIO
    ) -> Artifact:
        """Bring a file that an attempt left; it is read as it is sent."""
        return await self._transport.send(
            "PUT",
            f"/api/runner/jobs/{job_id}/artifacts/{quote(name, safe='')}",
            Artifact,
            content,
            params={"attempt": attempt},
            timeout_seconds=ARTIFACT_SECONDS,
        )

    async def download_package(self, package_id: int, destination: Path) -> str:
        """Return the SHA-256 of what was written."""
        return await self._transport.download(f"/api/packages/{package_id}/download", destination)
