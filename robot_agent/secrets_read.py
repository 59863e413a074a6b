"""The secrets that a job has read, known here so that they are covered before bytes leave.

`sdk.runtime` notes the name of each asset before it gives its value to the script; once it has, we
ask the server for the values that this attempt has read. A script that asks the server by itself
leaves no note: then the server refuses what it is sent, keeps nothing of it, and we ask.
"""

import asyncio
import logging
from pathlib import Path
from typing import NamedTuple

import msgspec

from robot_agent.link import Link
from sdk.contract.runner import JobReport
from sdk.errors import Refused
from sdk.masking.mask import Mask

MESSAGE_CHARACTERS = 16384  # as the contract has it
UNREADABLE = -1  # the size of what cannot be looked at
UNKNOWN_SECRETS = "secrets-read"  # the kind of the server's refusal

log = logging.getLogger(__name__)


class Known(NamedTuple):
    """What is covered, and how many reads that is at the server. In one, so that nothing is sent
    with the mask of one moment and the number of a later one."""

    mask: Mask
    reads: int = 0


class SecretsRead:
    def __init__(
        self, link: Link, job_id: int, attempt: int, notes: Path, own: tuple[str, ...] = ()
    ) -> None:
        """`own`: what is secret without having been read, as the token of the job."""
        self.known = Known(Mask(own))
        self.last_output = b""  # of the script, not covered; see sdk/running/last_words.py
        self._values = set(own)  # grows alone: what was changed at the server was still read
        self._link = link
        self._job_id = job_id
        self._attempt = attempt
        self._notes = notes
        self._noted_bytes = 0
        self._heard_of = 0
        self._asking = asyncio.Lock()

    def is_stale(self) -> bool:
        return self._size() != self._noted_bytes or self._heard_of > self.known.reads

    def hear_of(self, count: int) -> None:
        """The server has been asked for so many, whatever the notes say."""
        self._heard_of = max(self._heard_of, count)

    async def keep_up(self, stop: asyncio.Event | None = None) -> Known:
        """What covers every secret that a script with `sdk.runtime` can have used until now.
        `GaveUp` if `stop` is set before that is answered."""
        async with self._asking:
            if self.is_stale():
                await self._ask(stop)
            return self.known

    async def ask(self, stop: asyncio.Event | None = None) -> Known:
        """The same of every script."""
        async with self._asking:
            await self._ask(stop)
            return self.known

    async def is_more_than(self, refused: Known, stop: asyncio.Event | None = None) -> bool:
        """Whether more can be covered than in what the server has just refused."""
        return (await self.ask(stop)).reads > refused.reads

    async def _ask(self, stop: asyncio.Event | None) -> None:
        size = self._size()  # before the question: what is noted later is asked for later
        try:
            read = await self._link.answered(
                lambda client: client.secrets_read(self._job_id, self._attempt), stop
            )
        except Refused as refusal:  # the attempt is forgotten: nothing of it is taken either
            log.warning("Which secrets job %d has read is not told: %s", self._job_id, refusal)
        else:
            self._values.update(read.values)
            mask = await asyncio.to_thread(_ready, frozenset(self._values))
            self.known = Known(mask, read.count)  # only now: its count goes with its mask
        self._noted_bytes = size
        self._heard_of = 0

    def _size(self) -> int:
        """Of the notes; UNREADABLE if a script has put them out of reach: then the server, which
        counts too, has the last word."""
        try:
            return self._notes.lstat().st_size
        except FileNotFoundError:
            return 0
        except OSError:
            return UNREADABLE


def _ready(values: frozenset[str]) -> Mask:
    """Made ready here, in a thread: many long values take a second."""
    mask = Mask(values)
    mask.message("")
    return mask


def cover(report: JobReport, known: Known) -> JobReport:
    message = report.error_message
    return msgspec.structs.replace(
        report,
        result=known.mask.json(report.result),
        error_message=message and known.mask.message(message)[:MESSAGE_CHARACTERS],
        secrets_known=known.reads,
    )
