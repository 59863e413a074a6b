"""What a zip archive says of itself, read byte by byte: there is one way to read it, or none.

Tools disagree on archives that say two things at once, and zipfile is one of the tolerant ones:
it ignores what hides behind a compressed stream and stops at the size an entry claims. So we
read the structure ourselves, and a robot's tool must see what we saw.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from sdk.archives import BadPackage

CHUNK_BYTES = 256 * 1024
STORED, DEFLATED = 0, 8

_LOCAL = struct.Struct("<4s5H3I2H")  # APPNOTE 4.3.7
_CENTRAL = struct.Struct("<4s6H3I5H2I")  # APPNOTE 4.3.12
_END = struct.Struct("<4s4H2IH")  # APPNOTE 4.3.16
_LOCATOR_BYTES = 20  # APPNOTE 4.3.15
_LOCAL_SIGNATURE = b"PK\x03\x04"
_SIZES_FOLLOW, _UTF8 = 0x8, 0x800
_KNOWN_FLAGS = _SIZES_FOLLOW | _UTF8 | 0x6  # 0x6: how hard deflate tried, of no consequence
_NEWEST_VERSION = 45  # the newest that may write an entry of the kinds we take
_MAX_NAME_BYTES = 1024
_MAX_EXTRA_BYTES = 1024
# Times and owners. All others may change a name, a size or the kind of the entry.
_HARMLESS_EXTRAS = {0x000A, 0x5455, 0x5855, 0x7855, 0x7875}


class Entry(NamedTuple):
    name: str
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    attributes: int
    header_at: int
    raw_name: bytes

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


class _End(NamedTuple):
    entry_count: int
    directory_at: int
    at: int


def refused(why: str, entry: str | None = None) -> BadPackage:
    where = f" in its entry {entry[:100]!r}" if entry is not None else ""
    return BadPackage(f"The package is refused{where}: {why}.")


def read_entries(stream: BinaryIO, *, max_entries: int) -> list[Entry]:
    """What the directory lists, as far as names, sizes and places are told the same twice."""
    end = _read_end(stream, max_entries)
    stream.seek(end.directory_at)
    entries = [_read_central(stream) for _ in range(end.entry_count)]
    if stream.tell() != end.at:
        raise refused("its directory does not hold as many entries as it says")
    return entries


def check_layout(stream: BinaryIO, entries: list[Entry]) -> None:
    """Entries follow each other from the first byte to the directory, without gap or overlap."""
    expected = 0
    for entry in sorted(entries, key=lambda e: e.header_at):
        if entry.header_at != expected:
            raise refused("it overlaps another, or something lies between", entry.name)
        expected = _check_local(stream, entry)
    if expected != _read_end(stream, len(entries)).directory_at:
        raise refused("there is something between its entries and its directory")


def unpack(stream: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """The content in pieces; BadPackage if it is not one stream of exactly the packed length."""
    left = entry.packed_bytes
    stream.seek(_content_at(stream, entry))
    if entry.method == STORED:
        while left:
            left -= len(piece := _take(stream, min(left, CHUNK_BYTES), entry.name))
            yield piece
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof:
        packed = inflater.unconsumed_tail
        if not packed and left:
            left -= len(packed := _take(stream, min(left, CHUNK_BYTES), entry.name))
        piece = _inflate(inflater, packed, entry)
        yield piece
        if not packed and not piece and not inflater.eof:
            raise refused("its content is cut", entry.name)
    if left or inflater.unused_data:
        raise refused("something hides behind its content", entry.name)


def _inflate(inflater: "zlib._Decompress", packed: bytes, entry: Entry) -> bytes:
    try:
        return inflater.decompress(packed, CHUNK_BYTES)  # never more: it may be a bomb
    except zlib.error as error:
        raise refused("its content is damaged", entry.name) from error


def _read_end(stream: BinaryIO, max_entries: int) -> _End:
    """An archive from its first byte to its last, with nothing before, behind or beside it."""
    at = stream.seek(0, 2) - _END.size
    if at < _LOCAL.size + _CENTRAL.size:
        raise refused("it is not a zip archive, or an empty one")
    stream.seek(0)
    if stream.read(4) != _LOCAL_SIGNATURE:
        raise refused("it does not begin like a zip archive")
    stream.seek(at - _LOCATOR_BYTES)
    locator = stream.read(_LOCATOR_BYTES)
    signature, *disks, here, count, directory_bytes, directory_at, comment_bytes = _END.unpack(
        stream.read(_END.size)
    )
    if signature != b"PK\x05\x06" or comment_bytes:
        raise refused("it does not end like a zip archive without a comment")
    # A locator may also be dressed up as the end of the last entry: zipfile would follow it.
    if locator.startswith(b"PK\x06\x07") or count == 0xFFFF or directory_at == 0xFFFFFFFF:
        raise refused("it is too large, or in the ZIP64 format")
    if any(disks) or here != count:
        raise refused("it spans several disks")
    if count > max_entries:
        raise refused(f"it holds more than {max_entries:,} entries")
    if directory_at + directory_bytes != at:
        raise refused("there is something between its parts")
    return _End(count, directory_at, at)


def _read_central(stream: BinaryIO) -> Entry:
    header = _CENTRAL.unpack(_take(stream, _CENTRAL.size))
    signature, _, version, flags, method, _, _, crc, packed_bytes, size_bytes = header[:10]
    name_bytes, extra_bytes, comment_bytes, disk, _, attributes, header_at = header[10:]
    if signature != b"PK\x01\x02":
        raise refused("its directory is damaged")
    if name_bytes > _MAX_NAME_BYTES:
        raise refused("the path of an entry is too long")
    raw_name = _take(stream, name_bytes)
    name = _decoded(raw_name, flags)
    if (
        flags & ~_KNOWN_FLAGS
        or method not in (STORED, DEFLATED)
        or version & 0xFF > (_NEWEST_VERSION)
    ):
        raise refused("it is encrypted or compressed in a way we do not take", name)
    if comment_bytes or disk:
        raise refused("it has a comment, or is on another disk", name)
    _check_extra(stream, extra_bytes, name)
    return Entry(
        name, flags, method, crc, packed_bytes, size_bytes, attributes, header_at, raw_name
    )


def _decoded(raw_name: bytes, flags: int) -> str:
    try:
        return raw_name.decode("utf-8" if flags & _UTF8 else "cp437")  # as zipfile does
    except UnicodeDecodeError as error:
        raise refused("its path is not UTF-8", raw_name.decode("utf-8", "replace")) from error


def _check_extra(stream: BinaryIO, extra_bytes: int, name: str) -> None:
    if extra_bytes > _MAX_EXTRA_BYTES:
        raise refused("it has too many extra fields", name)
    rest = _take(stream, extra_bytes, name)
    while rest:
        if len(rest) < 4:
            raise refused("its extra fields are damaged", name)
        kind, length = struct.unpack_from("<2H", rest)
        if kind not in _HARMLESS_EXTRAS or length > len(rest) - 4:
            raise refused(f"we do not take its extra field {kind:#06x}", name)
        rest = rest[4 + length :]


def _check_local(stream: BinaryIO, entry: Entry) -> int:
    """Where the next entry must begin, once this one has said the same of itself again."""
    stream.seek(entry.header_at)
    header = _LOCAL.unpack(_take(stream, _LOCAL.size, entry.name))
    signature, _, flags, method, _, _, *said, name_bytes, extra_bytes = header
    known = [entry.crc, entry.packed_bytes, entry.size_bytes]
    follows = bool(flags & _SIZES_FOLLOW)
    if (
        signature != _LOCAL_SIGNATURE
        or (flags, method) != (entry.flags, entry.method)
        or _take(stream, name_bytes, entry.name) != entry.raw_name
        or (said != known and not (follows and said == [0, 0, 0]))
    ):
        raise refused("its two headers differ", entry.name)
    _check_extra(stream, extra_bytes, entry.name)
    end = stream.tell() + entry.packed_bytes
    return end + _descriptor_bytes(stream, end, known, entry.name) if follows else end


def _descriptor_bytes(stream: BinaryIO, at: int, known: list[int], name: str) -> int:
    """The length of the sizes that follow an entry written to a pipe (APPNOTE 4.3.9)."""
    sizes = struct.pack("<3I", *known)
    stream.seek(at)
    found = stream.read(16)
    if found == b"PK\x07\x08" + sizes:
        return 16
    if found[:12] == sizes:
        return 12
    raise refused("what follows it is not its sizes", name)


def _content_at(stream: BinaryIO, entry: Entry) -> int:
    stream.seek(entry.header_at)
    *_, name_bytes, extra_bytes = _LOCAL.unpack(_take(stream, _LOCAL.size, entry.name))
    return int(entry.header_at + _LOCAL.size + name_bytes + extra_bytes)


def _take(stream: BinaryIO, count: int, entry: str | None = None) -> bytes:
    taken = stream.read(count)
    if len(taken) != count:
        raise refused("it is cut", entry)
    return taken
