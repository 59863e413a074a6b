"""Signing in from a developer's machine: ask, let a person confirm elsewhere, collect the token.

The proof is RFC 7636's: the server is given a digest of a secret that never leaves this process
before the token is collected.
"""

import asyncio
import base64
import hashlib
import platform
import secrets
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from sdk.client import Client
from sdk.contract.sdk_auth import SdkScope, SdkStart, SdkStarted, SdkStatus, SdkStatusQuery
from sdk.errors import Unavailable, Unreachable

WAIT_SECONDS = 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Asked(NamedTuple):
    started: SdkStarted
    verifier: str
    address: str  # where a person confirms, with the code in it


def is_safe(url: str) -> bool:
    """Whether nobody on the way can read along: TLS, or this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (
        parts.scheme == "http" and (parts.hostname or "") in LOOPBACK
    )


def is_at(address: str, url: str) -> bool:
    """Whether an address is on the server at `url`, and nowhere else."""
    return urlsplit(address)[:2] == urlsplit(url)[:2]


def this_machine() -> str:
    name = "".join(c for c in platform.node() if c.isprintable()).strip()
    return name[:255] or "a machine without a name"


async def ask(client: Client, url: str, scopes: list[SdkScope]) -> Asked:
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    started = await client.start_sdk_session(
        SdkStart(machine_name=this_machine(), code_challenge=challenge, scopes=scopes)
    )
    return Asked(started, verifier, urljoin(url + "/", started.verification_uri_complete))


async def decided(client: Client, asked: Asked) -> SdkStatus:
    """`confirmed`, with the token, or `expired`; an outage of the server meanwhile is sat out."""
    query = SdkStatusQuery(session_id=asked.started.session_id, wait_seconds=WAIT_SECONDS)
    while True:
        try:
            status = await client.sdk_session_status(query, asked.verifier)
            if status.status != "pending":
                return status
        except (Unreachable, Unavailable):
            await asyncio.sleep(asked.started.interval)
