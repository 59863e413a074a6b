"""The secrets that a job has read, known here so that they are covered before bytes leave.

`sdk.runtime` notes the name of each asset before it gives its value to the script; once it has, we
ask the server for the values that this attempt has read. A script that asks the server by itself
leaves no note: then the server refuses what it is sent, keeps nothing of it, and we ask.
"""

import asyncio
import logging
from pathlib import Path

import msgspec

from robot_agent.link import Link
from robot_agent.masking import Mask
from sdk.contract.runner import JobReport
from sdk.errors import Refused

UNKNOWN_SECRETS = "secrets-read"  # the kind of the server's refusal

log = logging.getLogger(__name__)


class SecretsRead:
    def __init__(self, link: Link, job_id: int, attempt: int, notes: Path) -> None:
        self.mask = Mask()
        self.count = 0
        self._link = link
        self._job_id = job_id
        self._attempt = attempt
        self._notes = notes
        self._noted_bytes = 0

    def is_stale(self) -> bool:
        return self._size() != self._noted_bytes

    async def keep_up(self) -> None:
        """Return when every secret is known that the script can have used until now."""
        if await asyncio.to_thread(self.is_stale):
            await self.ask()

    async def ask(self) -> None:
        """Until it is answered."""
        size = await asyncio.to_thread(self._size)
        try:
            read = await self._link.answered(
                lambda client: client.secrets_read(self._job_id, self._attempt)
            )
        except Refused as refusal:  # the attempt is forgotten: nothing of it will be taken either
            log.warning("Which secrets job %d has read is not told: %s", self._job_id, refusal)
            return
        self._noted_bytes = size
        self.count = read.count
        self.mask = await asyncio.to_thread(Mask, read.values)

    def cover(self, report: JobReport) -> JobReport:
        return msgspec.structs.replace(
            report,
            result=self.mask.json(report.result),
            error_message=report.error_message and self.mask.text(report.error_message),
            secrets_known=self.count,
        )

    def _size(self) -> int:
        try:
            return self._notes.stat().st_size
        except FileNotFoundError:
            return 0
