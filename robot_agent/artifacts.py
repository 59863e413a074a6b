"""Files that a script leaves in the folder `artifacts`, on their way to the server.

They are brought while it runs, once they have stopped growing, and the rest after its end; what an
earlier life of the agent did not bring is still there, and is brought by the next one. A file that
cannot be kept costs no other, and the log of the job names it and says why.
"""

import asyncio
import logging
import os
import stat
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from robot_agent import log_stream
from robot_agent.left_out import LeftOut
from robot_agent.link import Link
from robot_agent.log_stream import Send
from robot_agent.secrets_read import SecretsRead
from robot_agent.spool import Spool
from sdk.errors import Refused
from sdk.robot_client import RobotClient
from sdk.running import regular_files

FOLDER = "artifacts"
LOOK_SECONDS = 2.0
MOST_FILES = 200  # as the server has it
MOST_BYTES = 64 * 1024 * 1024  # of one file, as the server has it
MOST_BYTES_IN_ALL = 1024 * 1024 * 1024
MOST_ENTRIES = 10_000  # of the folder, that are looked at

log = logging.getLogger(__name__)


class _Look(NamedTuple):
    size_bytes: int
    changed_at_ns: int


class _Looked(NamedTuple):
    files: dict[Path, _Look]  # the first ones by name
    others: dict[Path, str]  # what is not brought, and why


class _TooLarge(Exception):
    """The file has grown since it was looked at."""


class Bringer:
    """Brings files to the server, until it has answered; their names without secrets."""

    def __init__(self, link: Link, job_id: int, attempt: int, secrets: SecretsRead) -> None:
        self.left_out = LeftOut(job_id, secrets)
        self.brought_bytes: dict[str, int] = {}  # by name
        self._link = link
        self._job_id = job_id
        self._attempt = attempt
        self._secrets = secrets

    async def bring(self, name: str, file: Path, folder: Path) -> None:
        """Send one file of `folder`. OSError if it cannot be read; Refused if it is not taken."""
        covered = (await self._secrets.keep_up()).mask.text(name)

        async def send(client: RobotClient) -> None:
            with await asyncio.to_thread(regular_files.opened, file, within=folder) as content:
                if os.fstat(content.fileno()).st_size > MOST_BYTES:
                    raise _TooLarge
                await client.bring_artifact(self._job_id, self._attempt, covered, content)

        await self._link.answered(send)


async def follow(work: Path, *, ended: asyncio.Event, bring: Bringer) -> None:
    """Return once the script has ended and all it left is brought."""
    brought: dict[Path, _Look] = {}
    seen: dict[Path, _Look] = {}
    folder = work / FOLDER
    while True:
        is_last = ended.is_set()  # asked first: what was written before that is still seen
        looked = await asyncio.to_thread(_look, folder)
        for file, look in looked.files.items():
            is_settled = is_last or seen.get(file) == look
            if is_settled and brought.get(file) != look:
                brought[file] = look
                await _bring(file, folder, look, bring)
        if is_last:
            for file, why in sorted(looked.others.items()):
                await bring.left_out.note(_name(file, folder), why)
            return
        seen = looked.files
        with suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), LOOK_SECONDS)


async def follow_and_tell(
    work: Path,
    *,
    ended: asyncio.Event,
    bring: Bringer,
    spool: Spool,
    stream: asyncio.Task[int],
    send: Send,
) -> None:
    """The same; then add to the log what was left out, behind all that the script has printed."""
    await follow(work, ended=ended, bring=bring)
    if not bring.left_out:
        return
    await asyncio.wait({stream})
    if not stream.cancelled() and stream.exception() is None:
        await asyncio.to_thread(spool.add, bring.left_out.lines())
        await log_stream.send_on(spool, stream.result(), send, bring.left_out.secrets)


async def _bring(file: Path, folder: Path, look: _Look, bring: Bringer) -> None:
    """Bring one; whatever is wrong with it, the next one follows."""
    name = _name(file, folder)
    if why := _why_not(name, look, bring):
        await bring.left_out.note(name, why)
        return
    try:
        await bring.bring(name, file, folder)
    except FileNotFoundError:
        log.info("%s was removed before it could be brought.", await bring.left_out.named(name))
    except _TooLarge:
        await bring.left_out.note(name, _TOO_LARGE)
    except (Refused, OSError) as error:
        await bring.left_out.note(name, str(error) if isinstance(error, Refused) else _why(error))
    else:
        bring.left_out.forget(name)
        bring.brought_bytes[name] = look.size_bytes


_TOO_LARGE = f"It is larger than {MOST_BYTES >> 20} MiB."


def _why_not(name: str, look: _Look, bring: Bringer) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return "Its name is not UTF-8."
    if look.size_bytes > MOST_BYTES:
        return _TOO_LARGE
    others = sum(size for other, size in bring.brought_bytes.items() if other != name)
    if others + look.size_bytes > MOST_BYTES_IN_ALL:
        return f"It is beyond the {MOST_BYTES_IN_ALL >> 20} MiB that an attempt may leave."
    return ""


def _name(file: Path, folder: Path) -> str:
    return " - ".join(file.relative_to(folder).parts)  # a name has no slashes; "" is the folder


def _look(folder: Path) -> _Looked:
    """The first files by name; no links, which may lead anywhere."""
    files: dict[Path, _Look] = {}
    others: dict[Path, str] = {}
    try:
        for count, found in enumerate(regular_files.scan(folder)):
            about = found.about
            if count == MOST_ENTRIES:
                others[folder] = f"Of more than {MOST_ENTRIES:,} files the rest is not looked at."
                break
            if stat.S_ISREG(about.st_mode):
                files[found.path] = _Look(about.st_size, about.st_mtime_ns)
            elif found.is_unread:
                others[found.path] = "It is a directory that cannot be read, or is too deep."
            elif not regular_files.is_folder(about):
                others[found.path] = f"It is {regular_files.kind_of(about)}, and no regular file."
    except OSError as error:
        others[folder] = _why(error)
    others |= (twice := _twice(sorted(files), folder))
    first = sorted(files.keys() - twice.keys())
    too_many = f"An attempt leaves at most {MOST_FILES} files; put more into one archive."
    others |= dict.fromkeys(first[MOST_FILES:], too_many)
    return _Looked({file: files[file] for file in first[:MOST_FILES]}, others)


_SAME_NAME = "Another artifact has the same name, but for upper case or folders."


def _twice(files: list[Path], folder: Path) -> dict[Path, str]:
    """Those that would take the place of another one: names are compared without their case."""
    seen: dict[str, Path] = {}
    for file in files:
        name = unicodedata.normalize("NFC", _name(file, folder)).strip().casefold()
        seen.setdefault(name, file)
    kept = set(seen.values())
    return dict.fromkeys((file for file in files if file not in kept), _SAME_NAME)


def _why(error: OSError) -> str:
    return f"It cannot be read: {error.strerror}." if error.strerror else str(error)
