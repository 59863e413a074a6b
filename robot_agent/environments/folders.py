"""The folders of environments on the disk: complete or not, how large, when last used."""

import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from robot_agent.environments import venvs
from sdk.running import regular_files

READY = "runwright-ready"  # in a folder that is complete: its size, and when it was last used
NOTE = "runwright-shared"  # in one of a package: the name of the one that it is on top of
NOTE_BYTES = 32
_NAME = re.compile("[0-9a-f]{32}")
PART = ".part"  # the end of the name of one that is being built, or thrown away


def shared_of(folder: Path) -> Path | None:
    """The environment that `folder` is on top of."""
    name = _noted(folder / NOTE)
    return folder.with_name(name) if _NAME.fullmatch(name) else None


def beside(folder: Path) -> Path:
    """Where `folder` is built, until it is complete."""
    return folder.with_name(f"{folder.name}-{secrets.token_hex(4)}{PART}")


def complete(built: Path, folder: Path) -> None:
    (built / READY).unlink(missing_ok=True)  # a build may have made a link of that name
    (built / READY).write_text(str(size(built)), encoding="ascii")
    if folder.exists():  # without its note: it was cut short while it was thrown away
        throw_away(folder)
    built.rename(folder)


def is_ready(folder: Path) -> bool:
    """Whether it can be used, with the one that it is on top of; if so, both are noted as used."""
    if not is_complete(folder) or not venvs.python_of(folder).is_file():
        return False
    shared = shared_of(folder)
    if shared is None and os.path.lexists(folder / NOTE):
        return False  # the note was cut short, or a script wrote it: what is below is not known
    if shared is not None and not is_ready(shared):
        return False
    (folder / READY).touch()
    return True


def is_complete(folder: Path) -> bool:
    return (folder / READY).is_file()


def throw_away(folder: Path) -> None:
    """At once for all who look for it, however long the disk takes."""
    gone = beside(folder)
    folder.rename(gone)
    remove(gone)


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what is left is tried again at the next start


def size(folder: Path) -> int:
    places = os.walk(folder)  # not rglob, which takes three times as long
    return sum(_size(f"{place}/{name}") for place, _, names in places for name in names)


def last_uses(shelf: Path) -> dict[Path, float]:
    return {note.parent: note.stat().st_mtime for note in shelf.glob(f"*/{READY}")}


def noted_size(folder: Path) -> int:
    noted = _noted(folder / READY)
    return int(noted) if noted.isdecimal() else 0


def _noted(note: Path) -> str:
    """What a note says; "" if there is none, or a script made something else of it."""
    try:
        return regular_files.read(note, NOTE_BYTES).decode("ascii")
    except (OSError, ValueError):
        return ""


def _size(file: str) -> int:
    with suppress(FileNotFoundError):  # uv is at work in its cache
        return os.lstat(file).st_size
    return 0
