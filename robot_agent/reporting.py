"""Bring a report to the server, however long it takes, also across a restart of the agent."""

import asyncio
import logging
import os
import shutil
from pathlib import Path

import msgspec

from robot_agent.link import Link
from sdk.contract.runner import JobReport
from sdk.errors import Refused

OUR_FAULT = frozenset({400, 413, 422})
SHORT_MESSAGE = 1000

log = logging.getLogger(__name__)


class Kept(msgspec.Struct, frozen=True):
    job_id: int
    report: JobReport


def keep(folder: Path, job_id: int, report: JobReport) -> None:
    """Put the report on disk first, so that it survives whatever happens while it is sent."""
    partial = folder / "report.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(Kept(job_id, report)))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / "report.json")
    except OSError as error:  # a full disk, perhaps: all the more it should be sent
        log.error("The report of job %d could not be kept: %s", job_id, error)


async def deliver(
    link: Link, job_id: int, report: JobReport, hurry: asyncio.Event | None = None
) -> None:
    """Repeat until answered; `GaveUp` when told to hurry, and the next start delivers it."""
    try:
        await link.answered(lambda client: client.report(job_id, report), hurry)
        log.info("Job %d is reported as %s.", job_id, report.status)
    except Refused as refusal:
        if refusal.status not in OUR_FAULT:
            log.info("Job %d was decided without us: %s", job_id, refusal)
            return
        log.warning("The report of job %d does not fit, sending less: %s", job_id, refusal)
        await _deliver_less(link, job_id, report, hurry)


async def _deliver_less(
    link: Link, job_id: int, report: JobReport, hurry: asyncio.Event | None
) -> None:
    less = msgspec.structs.replace(
        report,
        logs=None,
        result={"truncated": True} if report.status == "completed" else None,
        error_message=report.error_message and report.error_message[:SHORT_MESSAGE],
    )
    try:
        await link.answered(lambda client: client.report(job_id, less), hurry)
        log.info("Job %d is reported as %s, without its result.", job_id, report.status)
    except Refused as refusal:
        log.error("The report of job %d is refused for good: %s", job_id, refusal)


async def deliver_leftovers(link: Link, jobs_folder: Path, hurry: asyncio.Event) -> None:
    """Send what an earlier life of this agent could not, and clear away what it left."""
    for folder in await asyncio.to_thread(lambda: sorted(jobs_folder.glob("*"))):
        kept = await asyncio.to_thread(_read, folder / "report.json")
        if kept is not None:
            await deliver(link, kept.job_id, kept.report, hurry)
        await asyncio.to_thread(remove, folder)


def _read(file: Path) -> Kept | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None  # the job was not at its end; the server will hand it out again
    except (OSError, msgspec.DecodeError) as error:
        log.error("A report of an earlier life cannot be read: %s", error)
        return None


def remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("%s cannot be removed: %s", folder, error)
