"""Runs a package on this machine as a robot would: packed, unpacked elsewhere, in its environment.

What is missing from the archive is missing here too.
"""

import asyncio
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from sdk.contract.jobs import JobStatus, Reason
from sdk.contract.runner import AssignedPackage, AssignedProcess, Assignment, JobReport
from sdk.masking.mask import Mask
from sdk.running import last_words, process, regular_files
from sdk.running.command import command, script_in
from sdk.running.environment import child_environment, mark_of
from sdk.running.outcome import as_told, report_for
from sdk.running.process import StopOrder
from sdk.running.unpack import extract

GRACE_SECONDS = 10.0
LOOK_SECONDS = 0.05
PIECE_BYTES = 256 * 1024

Told = Callable[[bytes], object]  # what the script prints, as it prints it


async def run(
    archive: Path,
    folder: Path,
    script_path: str,
    parameters: dict[str, Any],
    reach: dict[str, str],
    told: Told,
    order: StopOrder,
) -> JobReport:
    """What a robot would report of it; `reach` is where the script finds an orchestrator.

    NoScript if the package has no such script."""
    work = folder / "work"
    _unpack(archive, work)
    script = script_in(work, script_path)
    (folder / "parameters.json").write_bytes(msgspec.json.encode(parameters))
    output = folder / "output.log"
    output.touch()
    ended = asyncio.Event()
    passing = last_words.Passing(told)
    showing = asyncio.create_task(_show(output, passing, ended))
    try:
        exit = await process.run(
            command(script, script_path),
            cwd=work,
            env=child_environment(os.environ, _assignment(script_path, parameters), folder, "")
            | reach,
            output=output,
            order=order,
            time_limit=None,
            grace=GRACE_SECONDS,
            mark=mark_of(folder),
        )
    finally:
        ended.set()
        await showing
    report = as_told(report_for(exit, order, None), folder)
    return last_words.added(report, passing.tail(), Mask())


def _unpack(archive: Path, work: Path) -> None:
    with zipfile.ZipFile(archive) as package:  # our own, packed a moment ago
        for entry in package.infolist():
            extract(package, entry, work)


def stopped(order: StopOrder) -> None:
    """Ask the script to end; a second time, end it."""
    (order.kill if order.given.is_set() else order.stop)(Reason.CANCELED_BY_USER)


async def _show(output: Path, told: Told, ended: asyncio.Event) -> None:
    with regular_files.opened(output) as file:
        while True:
            is_over = ended.is_set()  # asked first: what was written before that is still read
            while piece := file.read(PIECE_BYTES):
                told(piece)
            if is_over:
                return
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await ended.wait()
            except TimeoutError:
                continue


def _assignment(script_path: str, parameters: dict[str, Any]) -> Assignment:
    """A job of nobody's, so that every variable of the environment has a value."""
    return Assignment(
        id=int(datetime.now(UTC).timestamp() * 1000),  # each run is a job of its own
        status=JobStatus.RUNNING,
        attempt=1,
        parameters=parameters,
        process=AssignedProcess(
            id=0, name="here", script_path=script_path, package_id=0, version=0
        ),
        package=AssignedPackage(id=0, name="here", version="0", sha256="", size_bytes=0),
        lease_seconds=60,
        job_token="",
    )
