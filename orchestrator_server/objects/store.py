"""Where whole files are kept once they have arrived: packages, artifacts, logs of ended jobs."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from orchestrator_server.errors import Unavailable

log = structlog.get_logger(__name__)


class Missing(Exception):
    """There is no object of this name."""


class WrongStore(Exception):
    """The store cannot be used for this installation; the message says why and what to do."""


class Object(NamedTuple):
    name: str
    size_bytes: int
    modified_at: datetime


class ObjectStore(Protocol):
    """Bytes by name, such as `artifacts/7/0f3a`. All of it raises Unavailable while the store does
    not answer."""

    async def put(self, name: str, file: Path, *, replace: bool = False) -> None:
        """Keep what is in `file`, which is moved away perhaps. What is there already under that
        name stays; with `replace`, it goes."""

    async def size_bytes(self, name: str) -> int:
        """Raises Missing."""

    def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `stop`, or to the end. Raises Missing."""

    async def remove(self, names: Sequence[str]) -> None:
        """What is not there is removed already."""

    def list(self, folder: str) -> AsyncIterator[Object]:
        """Every object whose name begins with `folder`, such as `packages/`."""


async def tidy(store: ObjectStore, names: Sequence[str]) -> None:
    """Remove what nobody needs any more. What was done stays done if the store is away."""
    try:
        await store.remove(names)
    except Unavailable as error:
        log.warning("objects that nobody needs are left behind", names=names, why=str(error))


async def fetch(store: ObjectStore, name: str, target: Path) -> str:
    """Write an object into the new file `target`; its SHA-256. Raises Missing."""
    digest = hashlib.sha256()
    with target.open("xb") as file:
        async for piece in store.read(name, 0, await store.size_bytes(name)):
            await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(digest.update, piece)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    return digest.hexdigest()
