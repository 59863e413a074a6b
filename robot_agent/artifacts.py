"""Files that a script leaves in the folder `artifacts`, on their way to the server.

They are brought while it runs, once they have stopped growing, and the rest after its end; what an
earlier life of the agent did not bring is still there, and is brought by the next one.
"""

import asyncio
import logging
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from robot_agent.link import Link
from robot_agent.secrets_read import SecretsRead
from sdk.errors import Refused

FOLDER = "artifacts"
LOOK_SECONDS = 2.0
MOST_FILES = 200  # as the server has it
MOST_BYTES = 64 * 1024 * 1024  # of one file, as the server has it
MOST_BYTES_IN_ALL = 1024 * 1024 * 1024

log = logging.getLogger(__name__)

Bring = Callable[[str, Path], Awaitable[None]]


class _Look(NamedTuple):
    size_bytes: int
    changed_at_ns: int


def bringer(link: Link, job_id: int, attempt: int, secrets: SecretsRead) -> Bring:
    """Brings a file under a name until the server has answered."""

    async def bring(name: str, file: Path) -> None:
        await secrets.keep_up()
        covered = secrets.mask.text(name)
        try:
            await link.answered(lambda c: c.bring_artifact(job_id, attempt, covered, file))
        except Refused as refusal:
            log.warning("Artifact %r of job %d is refused: %s", name, job_id, refusal)

    return bring


async def follow(work: Path, *, ended: asyncio.Event, bring: Bring) -> None:
    """Return once the script has ended and all it left is brought."""
    brought: dict[Path, _Look] = {}
    seen: dict[Path, _Look] = {}
    while True:
        is_last = ended.is_set()  # asked first: what was written before that is still seen
        looks = await asyncio.to_thread(_look, work / FOLDER)
        for file, look in looks.items():
            is_settled = is_last or seen.get(file) == look
            if is_settled and brought.get(file) != look:
                brought[file] = look
                await _bring(file, work / FOLDER, brought, bring)
        if is_last:
            return
        seen = looks
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), LOOK_SECONDS)


async def _bring(file: Path, folder: Path, brought: dict[Path, _Look], bring: Bring) -> None:
    name = " - ".join(file.relative_to(folder).parts)  # a name has no slashes
    if brought[file].size_bytes > MOST_BYTES:
        log.warning("Artifact %s is larger than %d MiB and is not kept.", name, MOST_BYTES >> 20)
    elif sum(look.size_bytes for look in brought.values()) > MOST_BYTES_IN_ALL:
        log.warning("Artifact %s is beyond what an attempt may leave, and is not kept.", name)
    else:
        try:
            await bring(name, file)
        except FileNotFoundError:
            log.info("Artifact %s was removed before it could be brought.", name)


def _look(folder: Path) -> dict[Path, _Look]:
    """The first files by name; no links, which may lead anywhere."""
    found: dict[Path, _Look] = {}
    for file in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            about = file.lstat()
            if stat.S_ISREG(about.st_mode) and len(found) < MOST_FILES:
                found[file] = _Look(about.st_size, about.st_mtime_ns)
    return found
