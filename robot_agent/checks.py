"""What can be looked at on a machine before, and while, an agent works on it."""

import http.client
import os
import platform
import shutil
import ssl
import stat
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from robot_agent import machine_info, probe, run_as, tls
from robot_agent.config import MIB, Config
from robot_agent.environments import uv
from robot_agent.exits import AgentExit, JobFailed
from robot_agent.masking import self_test
from robot_agent.session import session
from sdk.contract.server import Alive
from sdk.errors import NotAnOrchestrator, Refused, Unreachable
from sdk.private_folder import PRIVATE, is_open
from sdk.proxies import proxy_for
from sdk.transport import Transport

SOON_DAYS = 21
CLOCK_SECONDS = 5.0
ROOM_BYTES = 1024**3


class Mark(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(msgspec.Struct, frozen=True):
    mark: Mark
    about: Annotated[str, Meta(max_length=32)]
    sentence: str


def masking() -> Finding:
    """A planted value, in all spellings and cut anywhere."""
    if through := self_test():
        said = f"A planted secret gets through as {', '.join(map(repr, through))}; tell us of it."
        return Finding(Mark.FAILED, "Masking", said)
    return Finding(Mark.OK, "Masking", "A planted secret is covered in all spellings.")


def python() -> Finding:
    said = f"Python {platform.python_version()} at {sys.executable}."
    return Finding(Mark.OK, "Python", said)


def uv_program() -> Finding:
    try:
        found = uv.program()
    except JobFailed as missing:
        return Finding(Mark.FAILED, "uv", str(missing))
    version = machine_info.uv_version()
    if version is None:
        return Finding(
            Mark.FAILED, "uv", f"{found} does not run: install Runwright with [agent] again."
        )
    return Finding(Mark.OK, "uv", f"uv {version} at {found}.")


def data(folder: Path, wanted: int = PRIVATE) -> Finding:
    """Whether it is, or could be made, a folder of ours alone. `wanted`: its mode, at the most."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        return Finding(
            Mark.FAILED, "Data folder", f"{there} is not a directory; pass a different --data."
        )
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        said = f"{there} cannot be written by this user: give it to them, or choose another --data."
        return Finding(Mark.FAILED, "Data folder", said)
    if there != folder:
        return Finding(Mark.OK, "Data folder", f"{folder} will be made.")
    if is_open(folder, wanted):
        said = f"{folder} is open to other users of this machine: chmod {wanted:o} {folder}"
        return Finding(Mark.WARNING, "Data folder", said)
    return Finding(Mark.OK, "Data folder", f"{folder} can be written.")


def accounts(config: Config) -> Finding | None:
    """Those that scripts run as; the folder of environments need not be there yet."""
    if not config.run_as:
        return None
    environments = config.data / "environments"
    there = next(place for place in (environments, *environments.parents) if place.exists())
    try:
        found = run_as.accounts(config)
        run_as.check(found, there)
    except AgentExit as refused:
        return Finding(Mark.FAILED, "Accounts", str(refused))
    names = ", ".join(account.name for account in found)
    return Finding(Mark.OK, "Accounts", f"Scripts run as {names}.")


def disk(folder: Path, min_free_mib: int) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / 1024**3:,.1f} GiB free for {folder}"
    if free < min_free_mib * MIB:
        return Finding(Mark.FAILED, "Disk", f"{said}; no job is taken below {min_free_mib} MiB.")
    if free < ROOM_BYTES:
        return Finding(Mark.WARNING, "Disk", f"{said}, which environments soon fill.")
    return Finding(Mark.OK, "Disk", f"{said}.")


def key_file(file: Path | None) -> Finding:
    if file is None:
        return Finding(
            Mark.OK, "Machine key", "Not read from a file, so there is no file to check."
        )
    if sys.platform != "win32" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        said = f"Other users of this machine can read {file}: chmod 600 {file}"
        return Finding(Mark.WARNING, "Machine key", said)
    return Finding(Mark.OK, "Machine key", f"It is in {file}, for its owner alone.")


def proxy(url: str) -> Finding:
    found = proxy_for(url)
    said = f"{url} is asked for through {probe.without_password(found)}." if found else ""
    return Finding(Mark.OK, "Proxy", said or f"None: {url} is asked directly.")


async def server(config: Config) -> Finding:
    """The way that the agent itself goes."""
    try:
        async with session(config.url, config.ca_file) as opened:
            await Transport(opened, config.url).send("GET", "/api/health/live", Alive)
    except (AgentExit, NotAnOrchestrator, Refused, Unreachable) as error:
        return Finding(Mark.FAILED, "Server", str(error))
    return Finding(Mark.OK, "Server", f"{config.url} answers, and is an orchestrator.")


def shown(config: Config) -> list[Finding]:
    """Its certificate and its clock; after `server`, which says why there may be nothing to see."""
    try:
        seen = probe.look(config.url, tls.context(config.ca_file))
    except (AgentExit, OSError, http.client.HTTPException) as error:
        said = f"Not looked at: {getattr(error, 'verify_message', None) or error}."
        return [Finding(Mark.WARNING, "Certificate and clock", said)]
    findings = [clock(seen.clock_offset_seconds)]
    if seen.certificate_until is not None:
        return [certificate(seen.certificate_until, seen.signed_by), *findings]
    return findings


def certificate(until: datetime, signed_by: str) -> Finding:
    days = (until - datetime.now(UTC)).days
    said = f"Signed by {signed_by}, good until {until:%Y-%m-%d}"
    if days < SOON_DAYS:
        said += f", which is in {days} days: renew it."
        return Finding(Mark.WARNING, "Certificate", said)
    return Finding(Mark.OK, "Certificate", f"{said}.")


def clock(offset_seconds: float | None) -> Finding:
    """Nothing is decided by our clock; but certificates are, and people read our times."""
    if offset_seconds is None:
        return Finding(Mark.WARNING, "Clock", "The server does not tell its time.")
    if abs(offset_seconds) < CLOCK_SECONDS:
        return Finding(Mark.OK, "Clock", "It agrees with the server's.")
    where = "ahead of" if offset_seconds > 0 else "behind"
    said = f"It is {abs(offset_seconds):,.0f} s {where} the server's: let NTP set it."
    return Finding(Mark.WARNING, "Clock", said)


def plain(config: Config) -> Finding | None:
    """Without TLS everybody on the way reads keys and secrets."""
    parts = urlsplit(config.url)
    if parts.scheme == "https" or parts.hostname in ("127.0.0.1", "localhost", "::1"):
        return None
    said = f"{config.url} has no TLS: who is on the way can read the machine key and every secret."
    return Finding(Mark.WARNING, "TLS", said)


def certificate_file(file: Path | None) -> Finding | None:
    if file is None:
        return None
    try:
        tls.context(file)
    except (AgentExit, ssl.SSLError) as error:
        return Finding(Mark.FAILED, "CA file", str(error))
    return Finding(Mark.OK, "CA file", f"{file} is trusted, besides what the system trusts.")
