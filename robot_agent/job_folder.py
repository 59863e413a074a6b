"""The folder of a job: made ready to start, and cleared away."""

import asyncio
import errno
import logging
import secrets
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
from sdk.private_folder import PASSABLE, PRIVATE
from sdk.running import regular_files
from sdk.running.command import NoScript, script_in
from sdk.running.launch import SAME, Launch

TOO_DEEP = (errno.EMFILE, errno.ENAMETOOLONG)
FLAT = 8  # levels of a folder whose paths are short enough, whatever the names

log = logging.getLogger(__name__)


def of(own_jobs: Path, job_id: int, attempt: int) -> Path:
    return own_jobs / f"{job_id}-{attempt}"


async def prepare(
    folder: Path, cache: Path, assignment: Assignment, link: Link, launch: Launch = SAME
) -> Path:
    """Return the script; `JobFailed` says why there is none. Other jobs of the robot are over: the
    last one may have left much, which goes while beats renew the lease of this one."""
    archive = packages.place_of(cache, assignment.package)
    old = left(folder.parent, keep=folder)  # asked here: the thread may outlive this job
    try:
        script = await asyncio.to_thread(_fill, folder, archive, assignment, launch, old)
        if script is None:
            await packages.fetch(archive, assignment.package, link)
            script = await asyncio.to_thread(_fill, folder, archive, assignment, launch)
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
    waiting = list(folders)
    while waiting:
        waiting += _remove(waiting.pop())


def _remove(folder: Path) -> list[Path]:
    """Remove it; or return what is to be removed instead, beside each other: a script can make
    folders deeper than they can be removed in one go."""
    try:
        _take_away(folder)
    except RecursionError:
        return _split(folder)
    except OSError as error:
        if error.errno in TOO_DEEP:
            return _split(folder)
        _remove_locked(folder)
    return []


def _split(folder: Path) -> list[Path]:
    deep = [found.path for found in regular_files.scan(folder, most_depth=FLAT) if found.is_unread]
    parts = []
    for path in deep:
        part = folder.with_name(secrets.token_hex(8))
        with suppress(OSError):  # it stays where it is, and in the way of the folder
            path.rename(part)
            parts.append(part)
    if not parts:
        log.warning("%s cannot be removed: it is too deep.", folder)
        return []
    return [folder, *parts]


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
    folder: Path,
    archive: Path,
    assignment: Assignment,
    launch: Launch,
    old: Sequence[Path] = (),
) -> Path | None:
    """The script; None if the package is not there yet, or damaged."""
    clear_away(old)
    work = folder / "work"
    with packages.verified(archive, assignment.package) as content:
        if content is None:
            return None
        folder.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if launch.account is not None:
            folder.parent.chmod(PASSABLE)  # its script passes through
        folder.mkdir(mode=PRIVATE)
        work.mkdir(mode=0o700)
        (folder / "parameters.json").write_bytes(msgspec.json.encode(assignment.parameters))
        packages.extract(content, work)
        launch.give_tree(folder)
    try:
        return script_in(work, assignment.process.script_path)
    except NoScript as error:
        raise JobFailed(Reason.START_FAILED, str(error)) from error
