"""Whether an uploaded file is a package we take: what is not known to be harmless is refused.

The central directory is compared with every local header before anything is inflated: tools
disagree on archives where the two differ, and a robot's tool must see what we saw. The limits
are counted while inflating, never believed.
"""

import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from orchestrator_server.errors import Invalid

MAX_ENTRIES = 10_000
MAX_ENTRY_BYTES = 200 * 1024 * 1024
MAX_TOTAL_BYTES = 500 * 1024 * 1024
MAX_RATIO = 100
RATIO_MATTERS_FROM_BYTES = 1024 * 1024
MAX_PATH_CHARACTERS = 240
MAX_LEVELS = 20

_FILE_NAME = re.compile(r"(.+)_([^_]+)\.zip", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", re.ASCII)
_VERSION = re.compile(r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}", re.ASCII)
_LOCAL = struct.Struct("<4s5H3I2H")  # APPNOTE 4.3.7
_END = struct.Struct("<4s4H2IH")  # APPNOTE 4.3.16
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED, _DATA_FOLLOWS, _UTF8 = 0x1, 0x8, 0x800
_DESCRIPTOR_BYTES = (12, 16)  # with or without its signature
_REFUSED_CHARACTERS = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_WINDOWS = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}


class Contents(NamedTuple):
    scripts: tuple[str, ...]  # the paths of its .py files, sorted


def parse_name(file_name: str) -> tuple[str, str]:
    """Name and version of `name_version.zip`; the file name is never used for anything else."""
    found = _FILE_NAME.fullmatch(file_name)
    if not found or not _NAME.fullmatch(found[1]) or not _VERSION.fullmatch(found[2]):
        raise Invalid(
            "The file must be named name_X.Y.Z.zip, with a name of A-Z a-z 0-9 _ - and a version "
            "of three numbers, such as invoices_1.0.0.zip.",
            pointer="#/file",
        )
    return found[1], found[2]


def inspect(file: Path) -> Contents:
    """What a package holds; Invalid, with a sentence naming the entry, if it is not taken."""
    with file.open("rb") as stream:
        _check_ends(stream)
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
                _check_entries(entries)
                _check_layout(stream, archive, entries)
                _check_contents(archive, entries)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise _refused("it is damaged or not a zip archive") from error
        except (NotImplementedError, RuntimeError, ValueError) as error:
            raise _refused("it uses something of zip that is not supported") from error
    scripts = tuple(sorted(e.filename for e in entries if e.filename.endswith(".py")))
    if not scripts:
        raise _refused("it holds no .py file")
    return Contents(scripts)


def _refused(why: str, entry: str | None = None) -> Invalid:
    where = f" in its entry {entry[:100]!r}" if entry is not None else ""
    return Invalid(f"The package is refused{where}: {why}.", pointer="#/file")


def _check_ends(stream: BinaryIO) -> None:
    """An archive from its first byte to its last, with nothing before, behind or beside it."""
    size = stream.seek(0, 2)
    if size < _LOCAL.size + _END.size:
        raise _refused("it is not a zip archive, or an empty one")
    stream.seek(0)
    if stream.read(4) != b"PK\x03\x04":
        raise _refused("it does not begin like a zip archive")
    stream.seek(size - _END.size)
    end = _END.unpack(stream.read(_END.size))
    signature, disk, first_disk, here, entries, directory_size, directory_at, comment = end
    if signature != b"PK\x05\x06" or comment:
        raise _refused("it does not end like a zip archive without a comment")
    if disk or first_disk or here != entries or entries == 0xFFFF or directory_at == 0xFFFFFFFF:
        raise _refused("it spans disks or is too large")
    if entries > MAX_ENTRIES:
        raise _refused(f"it holds more than {MAX_ENTRIES:,} entries")
    if directory_at + directory_size != size - _END.size:
        raise _refused("there is something between its parts")


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    seen: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    total = 0
    for entry in entries:
        _check_path(entry)
        _check_kind(entry)
        total += entry.file_size
        if entry.file_size > MAX_ENTRY_BYTES or total > MAX_TOTAL_BYTES:
            raise _refused("it is too large when unpacked", entry.filename)
        _check_ratio(entry)
        path = _comparable(entry.filename.rstrip("/"))
        if path in seen:
            raise _refused(f"{seen[path]!r} is the same name", entry.filename)
        seen[path] = entry.filename
        folders.update(str(parent) for parent in PurePosixPath(path).parents)
        (folders if entry.is_dir() else files).add(path)
    for clash in files & folders:
        raise _refused("it is a file and a folder at once", clash)


def _check_path(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.removesuffix("/").split("/")
    if len(name) > MAX_PATH_CHARACTERS or len(parts) > MAX_LEVELS:
        raise _refused("its path is too long", name)
    if any(unicodedata.category(c) in _REFUSED_CHARACTERS for c in name):
        raise _refused("its path has control or invisible characters", name)
    if any(c in name for c in '\\:*?"<>|') or any(p in ("", ".", "..") for p in parts):
        raise _refused("its path could lead outside, or is not possible on Windows", name)
    if any(p[-1] in ". " or p.split(".")[0].rstrip().lower() in _WINDOWS for p in parts):
        raise _refused("its path is not possible on Windows", name)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    mode = entry.external_attr >> 16
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
        raise _refused("it is a link or a device", entry.filename)
    if mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise _refused("it has special permission bits", entry.filename)
    if entry.is_dir() and (entry.file_size or stat.S_ISREG(mode)):
        raise _refused("it is a folder with content", entry.filename)
    if entry.compress_type not in _METHODS or entry.flag_bits & _ENCRYPTED:
        raise _refused("it is encrypted or compressed in a way we do not take", entry.filename)


def _check_ratio(entry: zipfile.ZipInfo) -> None:
    if entry.file_size > max(RATIO_MATTERS_FROM_BYTES, entry.compress_size * MAX_RATIO):
        raise _refused("it unpacks to far more than it is", entry.filename)


def _comparable(path: str) -> str:
    """As a file system that folds case and accents sees it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _check_layout(
    stream: BinaryIO, archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]
) -> None:
    """Entries follow each other without gap or overlap, and say the same of themselves twice."""
    expected = 0
    for entry in sorted(entries, key=lambda e: e.header_offset):
        if entry.header_offset != expected:
            raise _refused("it overlaps another, or something lies between", entry.filename)
        expected = _end_of(stream, entry)
    if expected != archive.start_dir:
        raise _refused("there is something between its entries and its directory")


def _end_of(stream: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where the next entry must begin."""
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size:
        raise _refused("it is cut", entry.filename)
    signature, _, flags, method, _, _, crc, packed, size, name_size, extra = _LOCAL.unpack(header)
    encoding = "utf-8" if flags & _UTF8 else "cp437"
    same_name = stream.read(name_size) == entry.orig_filename.encode(encoding, "replace")
    said = (crc, packed, size)
    known = (entry.CRC, entry.compress_size, entry.file_size)
    follows = bool(flags & _DATA_FOLLOWS)
    if (
        signature != b"PK\x03\x04"
        or (flags, method) != (entry.flag_bits, entry.compress_type)
        or not same_name
        or (said != known and not (follows and said == (0, 0, 0)))
    ):
        raise _refused("its two headers differ", entry.filename)
    end: int = entry.header_offset + _LOCAL.size + name_size + extra + entry.compress_size
    return end + _descriptor(stream, end, entry) if follows else end


def _descriptor(stream: BinaryIO, at: int, entry: zipfile.ZipInfo) -> int:
    """The length of the sizes that follow an entry written to a pipe (APPNOTE 4.3.9)."""
    sizes = struct.pack("<3I", entry.CRC, entry.compress_size, entry.file_size)
    stream.seek(at)
    found = stream.read(max(_DESCRIPTOR_BYTES))
    if found == b"PK\x07\x08" + sizes:
        return 16
    if found[:12] == sizes:
        return 12
    raise _refused("what follows it is not its sizes", entry.filename)


def _check_contents(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Inflate everything once; zipfile compares the checksum at the end of each entry."""
    for entry in entries:
        size = 0
        with archive.open(entry) as content:
            while chunk := content.read(1024 * 1024):
                size += len(chunk)
                if size > entry.file_size:
                    raise _refused("it is larger than it says", entry.filename)
        if size != entry.file_size:
            raise _refused("it is smaller than it says", entry.filename)
