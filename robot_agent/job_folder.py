"""Make a job ready to start: its folder, its package, its script, its parameters."""

import asyncio
import shutil
from pathlib import Path

import msgspec

from robot_agent import packages
from robot_agent.exits import JobFailed
from robot_agent.link import Link
from sdk.contract.jobs import Reason
from sdk.contract.runner import Assignment
from sdk.running.command import NoScript, script_in


async def prepare(folder: Path, cache: Path, assignment: Assignment, link: Link) -> Path:
    """Return the script; `JobFailed` says why there is none."""
    try:
        archive = await packages.fetch(cache, assignment.package, link)
        return await asyncio.to_thread(_fill, folder, archive, assignment)
    except OSError as error:
        raise JobFailed(
            Reason.ENVIRONMENT_FAILED, f"The job's folder cannot be made: {error}."
        ) from error


def _fill(folder: Path, archive: Path, assignment: Assignment) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    work = folder / "work"
    work.mkdir(mode=0o700, parents=True)
    (folder / "output.log").touch()
    (folder / "parameters.json").write_bytes(msgspec.json.encode(assignment.parameters))
    packages.extract(archive, work)
    try:
        return script_in(work, assignment.process.script_path)
    except NoScript as error:
        raise JobFailed(Reason.START_FAILED, str(error)) from error
