"""Packages on this machine: fetched once, checked before each use, unpacked safely."""

import hashlib
import io
import logging
import os
import secrets
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from robot_agent.clock import DAY_SECONDS
from robot_agent.exits import JobFailed
from robot_agent.link import Link
from sdk.contract.jobs import Reason
from sdk.contract.runner import AssignedPackage
from sdk.errors import Refused
from sdk.running import regular_files, unpack
from sdk.running.regular_files import NotRegular

DOWNLOADS = 3
SMALL_BYTES = 1024 * 1024  # an archive that is read once, into memory

log = logging.getLogger(__name__)


def place_of(folder: Path, package: AssignedPackage) -> Path:
    return folder / f"{package.sha256}.zip"


@contextmanager
def verified(archive: Path, package: AssignedPackage) -> Iterator[BinaryIO | None]:
    """The archive, if it is there with the content that the job was made with; if so, it is noted
    as used."""
    try:
        file = regular_files.opened(archive)
    except FileNotFoundError:
        yield None
        return
    except NotRegular:  # a script can reach it; what is fetched takes its place
        archive.unlink()
        yield None
        return
    with file:
        is_small = os.fstat(file.fileno()).st_size <= SMALL_BYTES
        content = io.BytesIO(file.read()) if is_small else file
        is_right = hashlib.file_digest(content, "sha256").hexdigest() == package.sha256
        if is_right:
            with suppress(FileNotFoundError):  # it was just thrown away, but is open here
                os.utime(archive)
        yield content if is_right else None


def is_there(archive: Path, package: AssignedPackage) -> bool:
    with verified(archive, package) as content:
        return content is not None


def throw_away_old(folder: Path, unused_days: int) -> None:
    """Archives that nobody used for so long; 0: never."""
    long_ago = time.time() - unused_days * DAY_SECONDS
    for archive in folder.glob("*.zip") if unused_days else ():
        if archive.lstat().st_mtime < long_ago:
            log.info("Package %s is thrown away.", archive.stem)
            archive.unlink(missing_ok=True)


async def fetch(archive: Path, package: AssignedPackage, link: Link) -> None:
    """JobFailed if the server does not hand it out, or only with another content."""
    for _ in range(DOWNLOADS):
        if await _download(archive, package, link) == package.sha256:
            return
        log.warning("Package %s arrived with another content.", package.name)
    raise differs(package)


def differs(package: AssignedPackage) -> JobFailed:
    return JobFailed(
        Reason.PACKAGE_CORRUPT,
        f"Package {package.name} {package.version} differs from what the job was made with.",
    )


async def _download(archive: Path, package: AssignedPackage, link: Link) -> str:
    # Beside and then in its place: two robots may fetch the same package at the same time.
    partial = archive.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        sha256 = await link.answered(lambda client: client.download_package(package.id, partial))
        if sha256 == package.sha256:
            partial.replace(archive)
    except Refused as refusal:
        is_damaged = refusal.is_about("damaged")
        raise JobFailed(
            Reason.PACKAGE_CORRUPT if is_damaged else Reason.PACKAGE_MISSING,
            f"The server does not hand out package {package.name} {package.version}: {refusal}",
        ) from refusal
    finally:
        partial.unlink(missing_ok=True)
    return sha256


def extract(archive: Path | BinaryIO, destination: Path) -> None:
    """Unpack files and folders into one that is empty; the server has checked the members, and so
    do we."""
    root = os.path.abspath(destination)  # noqa: PTH100 -- by its name: there are no links below
    try:
        with zipfile.ZipFile(archive) as package:
            for member in package.infolist():
                _check(member, root)
                unpack.extract(package, member, root)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise JobFailed(
            Reason.PACKAGE_CORRUPT, f"The package cannot be unpacked: {error}."
        ) from error


def _check(member: zipfile.ZipInfo, root: str) -> None:
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    place = os.path.normpath(os.path.join(root, member.filename))  # noqa: PTH118
    if is_link or not Path(place).is_relative_to(root):
        raise JobFailed(
            Reason.PACKAGE_CORRUPT,
            f"The package has a member that leads out of it: {member.filename!r}.",
        )
