"""Packages on this machine: fetched once, checked before each use, unpacked safely."""

import hashlib
import logging
import os
import secrets
import stat
import time
import zipfile
from pathlib import Path

from robot_agent.clock import DAY_SECONDS
from robot_agent.exits import JobFailed
from robot_agent.link import Link
from sdk.contract.jobs import Reason
from sdk.contract.runner import AssignedPackage
from sdk.errors import Refused

DOWNLOADS = 3

log = logging.getLogger(__name__)


def place_of(folder: Path, package: AssignedPackage) -> Path:
    return folder / f"{package.sha256}.zip"


def is_there(archive: Path, package: AssignedPackage) -> bool:
    """With the content that the job was made with; if so, it is noted as used."""
    try:
        with archive.open("rb") as content:
            is_right = hashlib.file_digest(content, "sha256").hexdigest() == package.sha256
        if is_right:
            os.utime(archive)
    except FileNotFoundError:
        return False
    return is_right


def throw_away_old(folder: Path, unused_days: int) -> None:
    """Archives that nobody used for so long; 0: never."""
    long_ago = time.time() - unused_days * DAY_SECONDS
    for archive in folder.glob("*.zip") if unused_days else ():
        if archive.stat().st_mtime < long_ago:
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


def extract(archive: Path, destination: Path) -> None:
    """Unpack files and folders; the server has checked the members, and so do we."""
    root = destination.resolve()
    try:
        with zipfile.ZipFile(archive) as package:
            for member in package.infolist():
                _check(member, root)
                package.extract(member, root)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise JobFailed(
            Reason.PACKAGE_CORRUPT, f"The package cannot be unpacked: {error}."
        ) from error


def _check(member: zipfile.ZipInfo, root: Path) -> None:
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if is_link or not (root / member.filename).resolve().is_relative_to(root):
        raise JobFailed(
            Reason.PACKAGE_CORRUPT,
            f"The package has a member that leads out of it: {member.filename!r}.",
        )
