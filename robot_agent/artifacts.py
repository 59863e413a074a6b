"""Files that a script leaves in the folder `artifacts`, on their way to the server.

They are brought while it runs, once they have stopped growing, and the rest after its end; what an
earlier life of the agent did not bring is still there, and is brought by the next one.
"""

import asyncio
import logging
import stat
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


class _Look(NamedTuple):
    size_bytes: int
    changed_at_ns: int


class Bringer:
    """Brings files to the server, until it has answered; their names without secrets."""

    def __init__(self, link: Link, job_id: int, attempt: int, secrets: SecretsRead) -> None:
        self._link = link
        self._job_id = job_id
        self._attempt = attempt
        self._secrets = secrets

    async def bring(self, name: str, file: Path) -> None:
        covered = (await self._secrets.keep_up()).mask.text(name)
        try:
            await self._link.answered(
                lambda c: c.bring_artifact(self._job_id, self._attempt, covered, file)
            )
        except Refused as refusal:
            shown = await self.in_log(name)
            why = self._secrets.known.mask.text(str(refusal))  # it may quote the name
            log.warning("%s is refused: %s", shown, why)

    async def in_log(self, name: str) -> str:
        """How our own log names it: without secrets, however the script has come to them."""
        return f"Artifact {(await self._secrets.ask()).mask.text(name)} of job {self._job_id}"


async def follow(work: Path, *, ended: asyncio.Event, bring: Bringer) -> None:
    """Return once the script has ended and all it left is brought."""
    brought: dict[Path, _Look] = {}
    seen: dict[Path, _Look] = {}
    folder = work / FOLDER
    while True:
        is_last = ended.is_set()  # asked first: what was written before that is still seen
        looks = await asyncio.to_thread(_look, folder) if folder.exists() else {}
        for file, look in looks.items():
            is_settled = is_last or seen.get(file) == look
            if is_settled and brought.get(file) != look:
                brought[file] = look
                await _bring(file, folder, brought, bring)
        if is_last:
            return
        seen = looks
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), LOOK_SECONDS)


async def _bring(file: Path, folder: Path, brought: dict[Path, _Look], bring: Bringer) -> None:
    name = " - ".join(file.relative_to(folder).parts)  # a name has no slashes
    if brought[file].size_bytes > MOST_BYTES:
        shown = await bring.in_log(name)
        log.warning("%s is larger than %d MiB and is not kept.", shown, MOST_BYTES >> 20)
    elif sum(look.size_bytes for look in brought.values()) > MOST_BYTES_IN_ALL:
        shown = await bring.in_log(name)
        log.warning("%s is beyond what an attempt may leave, and is not kept.", shown)
    else:
        try:
            await bring.bring(name, file)
        except FileNotFoundError:
            log.info("%s was removed before it could be brought.", await bring.in_log(name))


def _look(folder: Path) -> dict[Path, _Look]:
    """The first files by name; no links, which may lead anywhere."""
    found: dict[Path, _Look] = {}
    for file in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):
            about = file.lstat()
            if stat.S_ISREG(about.st_mode) and len(found) < MOST_FILES:
                found[file] = _Look(about.st_size, about.st_mtime_ns)
    return found
