"""The folder of a job: made ready to start, and cleared away."""

import asyncio
import logging
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from robot_agent import packages
from robot_agent.exits import JobFailed
from robot_agent.link import Link
from sdk.contract.jobs import Reason
from sdk.contract.runner import Assignment
from sdk.running import regular_files
from sdk.running.command import NoScript, script_in

log = logging.getLogger(__name__)


def of(own_jobs: Path, job_id: int, attempt: int) -> Path:
    return own_jobs / f"{job_id}-{attempt}"


async def prepare(folder: Path, cache: Path, assignment: Assignment, link: Link) -> Path:
    """Return the script; `JobFailed` says why there is none. Other jobs of the robot are over: the
    last one may have left much, which goes while beats renew the lease of this one."""
    archive = packages.place_of(cache, assignment.package)
    old = left(folder.parent, keep=folder)  # asked here: the thread may outlive this job
    try:
        script = await asyncio.to_thread(_fill, folder, archive, assignment, old)
        if script is None:
            await packages.fetch(archive, assignment.package, link)
            script = await asyncio.to_thread(_fill, folder, archive, assignment)
    except OSError as error:
        raise JobFailed(
            Reason.ENVIRONMENT_FAILED, f"The job's folder cannot be made: {error}."
        ) from error
    if script is None:
        raise packages.differs(assignment.package)
    return script


def left(own_jobs: Path, keep: Path | None = None) -> list[Path]:
    """The folders of jobs that are over, also those that could not be removed before."""
    return [folder for folder in own_jobs.glob("*") if folder != keep]


def clear_away(folders: Sequence[Path]) -> None:
    for folder in folders:
        _remove(folder)


def _remove(folder: Path) -> None:
    try:
        _take_away(folder)
    except (OSError, RecursionError):
        _remove_locked(folder)


def _take_away(folder: Path) -> None:
    """Remove what is there: a script may have put a file or a link in the place of its folder."""
    if regular_files.is_folder(folder.lstat()):
        shutil.rmtree(folder)
    else:
        folder.unlink()


def _remove_locked(folder: Path) -> None:
    with suppress(OSError):  # then it is told below
        regular_files.unlock(folder)  # a script may have locked even its owner out
    try:
        _take_away(folder)
    except (OSError, RecursionError) as error:
        log.warning("%s cannot be removed, and is tried again with the next job: %s", folder, error)


def _fill(
    folder: Path, archive: Path, assignment: Assignment, old: Sequence[Path] = ()
) -> Path | None:
    """The script; None if the package is not there yet, or damaged."""
    clear_away(old)
    work = folder / "work"
    with packages.verified(archive, assignment.package) as content:
        if content is None:
            return None
        folder.mkdir(parents=True)
        work.mkdir(mode=0o700)
        (folder / "parameters.json").write_bytes(msgspec.json.encode(assignment.parameters))
        packages.extract(content, work)
    try:
        return script_in(work, assignment.process.script_path)
    except NoScript as error:
        raise JobFailed(Reason.START_FAILED, str(error)) from error
