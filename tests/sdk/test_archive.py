"""What a package may be; everything else is refused with a sentence, and nothing else."""

import io
import stat
import struct
import time
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk.archives import BadPackage, archive

MAIN = ("main.py", b"print('hello')")
DEFLATED = zlib.compress(MAIN[1], wbits=-15)  # without a header of its own, as in a zip
LOCATOR = b"PK\6\7" + bytes(16)  # of a ZIP64 end of directory


class Pipe(io.BytesIO):
    def tell(self):
        raise OSError("a pipe has no position")


def zipped(*entries, method=zipfile.ZIP_DEFLATED, comment=b"", into=io.BytesIO):
    content = into()
    with zipfile.ZipFile(content, "w", method) as package:
        for name, data in entries or [MAIN]:
            package.writestr(name, data)
        package.comment = comment
    return content.getvalue()


def raw(packed=MAIN[1], *, central=None, local=None, end=None, behind=b"", **both):
    """An archive of main.py, each field of it as told; both headers say `both`."""
    plain = {"version": 20, "flags": 0, "method": 0, "crc": zlib.crc32(MAIN[1]),
             "packed": len(packed), "size": len(MAIN[1]), "extra": b"", "comment": b"",
             "disk": 0, "attributes": 0, "at": 0, "name": b"main.py"} | both  # fmt: skip
    here, there = plain | (local or {}), plain | (central or {})

    def shared(e):
        return struct.pack(
            "<5H3I2H", e["version"], e["flags"], e["method"], 0, 0, e["crc"], e["packed"],
            e["size"], len(e["name"]), len(e["extra"]))  # fmt: skip

    entry = b"PK\3\4" + shared(here) + here["name"] + here["extra"] + packed + behind
    numbers = len(there["comment"]), there["disk"], 0, there["attributes"], there["at"]
    directory = b"PK\1\2\x14\3" + shared(there) + struct.pack("<3H2I", *numbers)
    directory += there["name"] + there["extra"] + there["comment"]
    last = {"disk": 0, "first": 0, "here": 1, "count": 1, "bytes": len(directory),
            "at": len(entry), "comment": 0} | (end or {})  # fmt: skip
    return entry + directory + struct.pack("<4s4H2IH", b"PK\5\6", *last.values())


def paths_of(manifest):
    return tuple(script.path for script in manifest.scripts)


def inspect(content, tmp_path):
    file = tmp_path / "package.zip"
    file.write_bytes(content)
    return archive.inspect(file)


def refused(content, tmp_path, why="The package is refused"):
    with pytest.raises(BadPackage, match=why):
        inspect(content, tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("into", [io.BytesIO, Pipe])
def test_an_ordinary_archive_is_taken(tmp_path, method, into):
    entries = MAIN, ("lib/", b""), ("lib/é.py", b""), ("data.csv", b"1")
    taken = inspect(zipped(*entries, method=method, into=into), tmp_path)
    assert paths_of(taken) == ("lib/é.py", "main.py")


NEEDS = ["pyproject.toml", "requirements.txt", "requirements.lock", "uv.lock", "pylock.toml"]


@pytest.mark.parametrize("needs", NEEDS)
@pytest.mark.parametrize("top", ["repo-main", "home/ada/repo"])
def test_a_folder_around_a_project_is_refused_as_what_it_needs_would_not_count(
    tmp_path, needs, top
):
    entries = [(f"{top}/{name}", b"") for name in ("", "main.py", "lib/util.py", needs)]
    refused(zipped(*entries), tmp_path, f"in the folder '{top}', so its {needs} would not count")
    by_finder = ("__MACOSX/", b""), (f"__MACOSX/{top}/._main.py", b""), (".DS_Store", b"")
    refused(zipped(*entries, *by_finder), tmp_path, "Pack the content of that folder")


@pytest.mark.parametrize(
    "entries",
    [
        ["lib/main.py"],  # nothing that would be missed
        ["repo/main.py", "repo/requirements.txt", "pyproject.toml"],
        ["a/main.py", "a/requirements.txt", "b/main.py", "b/requirements.txt"],
        ["repo/main.py", "repo/tests/requirements.txt"],
        ["main.py", "requirements.txt", "__MACOSX/._main.py"],
    ],
)
def test_a_package_of_folders_is_taken(tmp_path, entries):
    assert inspect(zipped(*((name, b"") for name in entries)), tmp_path).scripts


@pytest.mark.parametrize("mode", [0o100644, 0o100755, 0o644, 0])
def test_a_plain_file_of_any_tool_is_taken(tmp_path, mode):
    times_and_owners = b"UT\4\0" + bytes(4) + b"ux\2\0" + bytes(2)
    assert paths_of(inspect(raw(attributes=mode << 16, extra=times_and_owners), tmp_path))


def test_a_package_within_a_package_is_not_looked_into(tmp_path):
    content = zipped(MAIN, ("inner.zip", b"PK\x05\x06 and PK\x01\x02"), method=zipfile.ZIP_STORED)
    assert paths_of(inspect(content, tmp_path)) == ("main.py",)


@pytest.mark.parametrize(
    "name",
    ["../x.py", "/x.py", "a/../../x.py", "C:\\x.py", "C:/x.py", "\\\\srv\\x.py", "a\\b.py",
     "./x.py", "x//y.py", "x./y.py", "x /y.py", "..", ".", "a\nb.py", "a\u202eb.py", "a\u200bb.py",
     "CON", "aux.py", "lib/nul.txt", "com1.py", "x" * 241, "/".join("a" * 21), "a:b.py",
     "COM\u00b9.txt", "conin$", "a\x7fb", "x//", "é" * 128],
)  # fmt: skip
def test_a_path_that_could_lead_astray_is_refused(tmp_path, name):
    refused(zipped(MAIN, (name, b"")), tmp_path, "path")


@pytest.mark.parametrize(
    "mode",
    [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o600, stat.S_IFIFO | 0o600, stat.S_IFSOCK | 0o600,
     stat.S_IFBLK | 0o600, stat.S_IFDIR | 0o755, stat.S_IFREG | stat.S_ISUID | 0o755,
     stat.S_IFREG | stat.S_ISGID | 0o755, stat.S_IFREG | stat.S_ISVTX | 0o644],
)  # fmt: skip
def test_what_is_not_a_plain_file_or_folder_is_refused(tmp_path, mode):
    refused(raw(attributes=mode << 16), tmp_path)


@pytest.mark.parametrize(
    "pair",
    [("a.py", "A.py"), ("é.py", "e\u0301.py"), ("a", "a/b.py"), ("A/b", "a"),
             ("A/x", "a/y"), ("ß", "ss"), ("a/b", "a/b/")],
)  # fmt: skip
def test_two_names_that_some_disk_takes_for_one_are_refused(tmp_path, pair):
    refused(zipped(MAIN, *[(name, b"") for name in pair]), tmp_path)


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning):
        content = zipped(MAIN, MAIN)
    refused(content, tmp_path, "same name")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a zip" * 100, zipped()[:-1], zipped()[:40], zipped() + b"x",
     b"#!/bin/sh\n" + zipped(), zipped(comment=b"hi"), zipped() + zipped(),
     b"PK\x05\x06" + b"\0" * 18, zipped()[:-22], b"\x89PNG\r\n\x1a\n" + b"\0" * 200,
     b"Rar!\x1a\7" + b"\0" * 200, b"main.py" + b"\0" * 10233],
    ids=range(14),  # not by the content, which has the time in it
)  # fmt: skip
def test_what_is_not_one_archive_from_end_to_end_is_refused(tmp_path, content):
    refused(content, tmp_path)


def test_an_archive_without_a_script_is_refused(tmp_path):
    refused(zipped(("data.csv", b"")), tmp_path, "no .py file")


@pytest.mark.parametrize(("count", "size"), [(1, 50_000_000), (20, 1_000_000)])
def test_a_bomb_in_one_or_in_many_is_refused_before_it_goes_off(tmp_path, count, size):
    bombs = [(f"{n}", b"\0" * size) for n in range(count)]
    refused(zipped(MAIN, *bombs), tmp_path, "far more than it is")


def test_a_bomb_that_lies_about_its_size_stops_at_the_lie(tmp_path):
    content = raw(zlib.compress(b"\0" * 100_000_000, wbits=-15), method=8, size=1_000_000)
    before = time.monotonic()
    refused(content, tmp_path, "larger than it says")
    assert time.monotonic() - before < 2


def test_what_is_too_large_all_together_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 20)
    refused(zipped(MAIN, ("also.py", MAIN[1])), tmp_path, "'also.py': it is too large")


def test_too_many_entries_are_refused(tmp_path):
    content = zipped(*[(f"{n}.py", b"") for n in range(archive.MAX_ENTRIES + 1)])
    refused(content, tmp_path, "entries")


@pytest.mark.parametrize(
    ("content", "why"),
    [(raw(size=12), "larger than it says"), (raw(MAIN[1][:5]), "smaller than it says"),
     (raw(DEFLATED, method=8, size=5, crc=zlib.crc32(MAIN[1][:5])), "larger than it says"),
     (raw(DEFLATED + b"more", method=8), "hides behind"),
     (raw(DEFLATED[:-3], method=8), "is cut"), (raw(b"\xff" * 10, method=8), "damaged"),
     (raw(crc=1), "checksum"), (raw(size=archive.MAX_ENTRY_BYTES + 1), "too large"),
     (raw(b"\0\0\0\xff\xff" * 1000, method=8), "larger packed")],
)  # fmt: skip
def test_content_that_is_not_what_was_said_is_refused(tmp_path, content, why):
    refused(content, tmp_path, why)


@pytest.mark.parametrize(
    ("content", "why"),
    [(raw(behind=b"hidden"), "between its entries"), (raw(central={"at": 1}), "overlaps"),
     (raw(end={"count": 0, "here": 0}), "as many entries"),
     (raw(end={"count": 2, "here": 2}), "is cut"), (raw(end={"here": 2}), "several disks"),
     (raw(end={"disk": 1}), "several disks"), (raw(central={"disk": 1}), "another disk"),
     (raw(end={"count": 0xFFFF, "here": 0xFFFF}), "ZIP64"),
     (raw(central={"comment": LOCATOR}), "ZIP64"), (raw(central={"comment": b"hi"}), "comment"),
     (raw(central={"extra": b"\1\0\x10\0" + bytes(16)}), "0x0001"),
     (raw(local={"extra": b"up\7\0../x.py"}), "0x7075"),
     (raw(extra=b"\1"), "extra fields are damaged"),
     (raw(extra=bytes(2000)), "too many extra fields"), (raw(name=b"x" * 2000), "too long"),
     (raw(name=b"\xed\xa0\x80.py", flags=0x800), "not UTF-8"), (raw(name=b"a\0.py"), "control"),
     (raw(flags=1), "encrypted"), (raw(flags=0x2000), "encrypted"), (raw(method=98), "encrypted"),
     (raw(version=63), "encrypted"), (raw(attributes=0x10), "folder by its kind"),
     (raw(name=b"main.py/"), "folder with content"), (raw(flags=8), "not its sizes"),
     *[(raw(local=differs), "two headers differ") for differs in (
         {"flags": 2}, {"method": 8}, {"crc": 0}, {"packed": 0}, {"size": 0}, {"name": b"b.py"})]],
)  # fmt: skip
def test_a_structure_that_two_tools_could_read_differently_is_refused(tmp_path, content, why):
    refused(content, tmp_path, why)


def test_two_entries_with_one_content_are_refused(tmp_path):
    one = raw()
    start = one.index(b"PK\1\2")
    directory = one[start:-22] + one[start:-22].replace(b"main", b"also")
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(directory), start, 0)
    refused(one[:start] + directory + end, tmp_path, "overlaps")


def test_a_file_name_says_name_and_version():
    assert archive.parse_name("a_1.0.0.zip") == ("a", "1.0.0")
    assert archive.parse_name("my_package_10.20.30.zip") == ("my_package", "10.20.30")


@pytest.mark.parametrize(
    "file_name",
    ["a_1.0.zip", "a_01.0.0.zip", "a_1.0.0.ZIP", "_1.0.0.zip", "a b_1.0.0.zip", "../a_1.0.0.zip",
     "a_1.0.0.zip\0.exe", "x" * 300 + "_1.0.0.zip", "a_1.0.0.zip.zip", "a.zip", "", "a_1.0.0",
     "a_1.0.0.zip\n", "é_1.0.0.zip", "a_\uff11.0.0.zip"],
)  # fmt: skip
def test_any_other_file_name_is_refused(file_name):
    with pytest.raises(BadPackage):
        archive.parse_name(file_name)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_whatever_is_changed_a_robot_reads_what_we_read_or_it_is_refused(tmp_path_factory, data):
    entries = MAIN, ("lib/", b""), ("lib/a.py", b"x" * 50)
    whole = [
        zipped(*entries),
        zipped(*entries, method=zipfile.ZIP_STORED),
        zipped(into=Pipe),
        raw(),
    ]
    content = bytearray(data.draw(st.sampled_from(whole)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    file = tmp_path_factory.getbasetemp() / "changed.zip"
    file.write_bytes(content[:cut])

    try:
        scripts = paths_of(archive.inspect(file))
    except BadPackage as refusal:
        assert "The package is refused" in str(refusal)
        return

    with zipfile.ZipFile(file) as package:
        assert package.testzip() is None
        assert scripts == tuple(sorted(n for n in package.namelist() if n.endswith(".py")))
