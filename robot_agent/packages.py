"""Packages on this machine: fetched once, checked before each use, unpacked safely."""

import asyncio
import hashlib
import logging
import secrets
import stat
import zipfile
from pathlib import Path

from robot_agent.exits import JobFailed
from robot_agent.link import Link
from sdk.contract.jobs import Reason
from sdk.contract.runner import AssignedPackage
from sdk.errors import Refused

DOWNLOADS = 3

log = logging.getLogger(__name__)


async def fetch(folder: Path, package: AssignedPackage, link: Link) -> Path:
    """Return the archive, whose content is the one the job was made with."""
    archive = folder / f"{package.sha256}.zip"
    if await asyncio.to_thread(_sha256, archive) == package.sha256:
        return archive
    for _ in range(DOWNLOADS):
        if await _download(archive, package, link) == package.sha256:
            return archive
        log.warning("Package %s arrived with another content.", package.name)
    raise JobFailed(
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
        raise JobFailed(
            Reason.PACKAGE_MISSING,
            f"The server does not hand out package {package.name} {package.version}: {refusal}",
        ) from refusal
    finally:
        partial.unlink(missing_ok=True)
    return sha256


def _sha256(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return None


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
