"""Whether an uploaded file is a package we take: what is not known to be harmless is refused.

Everything is decided from the structure before anything is inflated, and what is inflated is
counted against what was said: a bomb stops where it begins to lie.
"""

import re
import stat
import unicodedata
import zlib
from pathlib import Path
from typing import BinaryIO

from sdk.archives import BadPackage, manifest, nesting
from sdk.archives.manifest import Manifest
from sdk.archives.zip_structure import (
    Entry,
    check_layout,
    read_entries,
    refused,
    unpack,
)

MAX_ENTRIES = 10_000
MAX_ENTRY_BYTES = 200 * 1024 * 1024
MAX_TOTAL_BYTES = 500 * 1024 * 1024
MAX_RATIO = 100
RATIO_MATTERS_FROM_BYTES = 1024 * 1024
PACKING_COST_BYTES = 1024
MAX_PATH_CHARACTERS = 240
MAX_PART_BYTES = 255  # the longest name of a file on Linux
MAX_LEVELS = 20

_FILE_NAME = re.compile(r"(.+)_([^_]+)\.zip", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}", re.ASCII)
_REFUSED_CHARACTERS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_WINDOWS = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{device}{digit}" for device in ("com", "lpt") for digit in "123456789\u00b9\u00b2\u00b3"
}
_DOS_FOLDER = 0x10


def parse_name(file_name: str) -> tuple[str, str]:
    """Name and version of `name_version.zip`; the file name is never used for anything else."""
    found = _FILE_NAME.fullmatch(file_name)
    if not found or not _NAME.fullmatch(found[1]) or not _VERSION.fullmatch(found[2]):
        raise BadPackage(
            "The file must be named name_X.Y.Z.zip, with a name of A-Z a-z 0-9 _ - and a version "
            "of three numbers, such as invoices_1.0.0.zip.",
        )
    return found[1], found[2]


def check_name(name: str, version: str) -> None:
    """Raise BadPackage if no package can be called so."""
    parse_name(f"{name}_{version}.zip")


def inspect(file: Path) -> Manifest:
    """What a package holds; BadPackage, with a sentence naming the entry, if it is not taken."""
    with file.open("rb") as stream:
        entries = read_entries(stream, max_entries=MAX_ENTRIES)
        for entry in entries:
            _check_path(entry.name)
            _check_kind(entry)
        _check_sizes(entries)
        _check_clashes(entries)
        nesting.check_top(entry.name for entry in entries)
        check_layout(stream, entries)
        for entry in entries:
            _check_content(stream, entry)
        by_name = {entry.name: entry for entry in entries}
        contents = manifest.read(
            {name: entry.size_bytes for name, entry in by_name.items()},
            lambda path: b"".join(unpack(stream, by_name[path])),
        )
    if not contents.scripts:
        raise refused("it holds no .py file")
    return contents


def _check_path(path: str) -> None:
    parts = path.removesuffix("/").split("/")
    if len(path) > MAX_PATH_CHARACTERS or len(parts) > MAX_LEVELS:
        raise refused("its path is too long", path)
    if any(unicodedata.category(c) in _REFUSED_CHARACTERS for c in path):
        raise refused("its path has control or invisible characters", path)
    if any(c in path for c in '\\:*?"<>|') or any(p in ("", ".", "..") for p in parts):
        raise refused("its path could lead outside, or is not possible on Windows", path)
    if any(p[-1] in ". " or p.split(".")[0].rstrip().lower() in _WINDOWS for p in parts):
        raise refused("its path is not possible on Windows", path)
    if any(len(p.encode()) > MAX_PART_BYTES for p in parts):
        raise refused("a part of its path is too long", path)


def _check_kind(entry: Entry) -> None:
    mode = entry.attributes >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refused("it is a link or a device", entry.name)
    if mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise refused("it has special permission bits", entry.name)
    if entry.is_folder and (entry.size_bytes or stat.S_ISREG(mode)):
        raise refused("it is a folder with content", entry.name)
    if not entry.is_folder and (stat.S_ISDIR(mode) or entry.attributes & _DOS_FOLDER):
        raise refused("it is a folder by its kind and a file by its name", entry.name)


def _check_sizes(entries: list[Entry]) -> None:
    total = packed_total = 0
    for entry in entries:
        total += entry.size_bytes
        packed_total += entry.packed_bytes
        if entry.size_bytes > MAX_ENTRY_BYTES or total > MAX_TOTAL_BYTES:
            raise refused("it is too large when unpacked", entry.name)
        if _is_bomb(entry.size_bytes, entry.packed_bytes):
            raise refused("it unpacks to far more than it is", entry.name)
        # Nothing but empty blocks, which cost time and hide data, packs this badly.
        if entry.packed_bytes > 2 * entry.size_bytes + PACKING_COST_BYTES:
            raise refused("it is far larger packed than unpacked", entry.name)
    if _is_bomb(total, packed_total):  # of many small ones
        raise refused("it unpacks to far more than it is")


def _is_bomb(size_bytes: int, packed_bytes: int) -> bool:
    return size_bytes >= RATIO_MATTERS_FROM_BYTES and size_bytes > packed_bytes * MAX_RATIO


def _check_clashes(entries: list[Entry]) -> None:
    """No two paths, nor folders on the way to them, that some disk takes for one."""
    named: set[str] = set()
    places: dict[str, tuple[str, bool]] = {}
    for entry in entries:
        path = entry.name.removesuffix("/")
        if path in named:
            raise refused("the same name is there twice", entry.name)
        named.add(path)
        key, is_folder = _comparable(path), entry.is_folder
        while path:
            known = places.setdefault(key, (path, is_folder))
            if known != (path, is_folder):
                raise refused(f"a disk may take it for the same name as {known[0]!r}", entry.name)
            path, key, is_folder = path.rpartition("/")[0], key.rpartition("/")[0], True


def _comparable(path: str) -> str:
    """As a file system that folds case and accents sees it (Unicode 3.13, D145)."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _check_content(stream: BinaryIO, entry: Entry) -> None:
    size_bytes = crc = 0
    for piece in unpack(stream, entry):
        size_bytes += len(piece)
        crc = zlib.crc32(piece, crc)
        if size_bytes > entry.size_bytes:
            raise refused("it is larger than it says", entry.name)
    if size_bytes != entry.size_bytes:
        raise refused("it is smaller than it says", entry.name)
    if crc != entry.crc:
        raise refused("it is damaged: its checksum differs", entry.name)
