"""What a package may be; everything else is refused with a sentence, and nothing else."""

import io
import stat
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator_server.errors import Invalid
from orchestrator_server.packages import archive

MAIN = ("main.py", b"print('hello')")


def zipped(*entries, method=zipfile.ZIP_DEFLATED, comment=b""):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as package:
        for name, data in entries or [MAIN]:
            package.writestr(name, data)
        package.comment = comment
    return content.getvalue()


def an_entry(name, mode):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def inspect(content, tmp_path):
    file = tmp_path / "package.zip"
    file.write_bytes(content)
    return archive.inspect(file)


def refused(content, tmp_path, why="The package is refused"):
    with pytest.raises(Invalid, match=why):
        inspect(content, tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_ordinary_archive_is_taken(tmp_path, method):
    content = zipped(MAIN, ("lib/", b""), ("lib/é.py", b""), ("data.csv", b"1"), method=method)
    assert inspect(content, tmp_path).scripts == ("lib/é.py", "main.py")


def test_an_archive_written_to_a_pipe_is_taken(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self):
            super().__init__()
            self.content = b""

        def writable(self):
            return True

        def write(self, data):
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(*MAIN)
    assert inspect(pipe.content, tmp_path).scripts == ("main.py",)


@pytest.mark.parametrize(
    "name",
    ["../x.py", "/x.py", "a/../../x.py", "C:\\x.py", "C:/x.py", "\\\\srv\\x.py", "a\\b.py",
     "./x.py", "x//y.py", "x./y.py", "x /y.py", "..", ".", "a\nb.py", "a\u202eb.py", "a\u200bb.py",
     "CON", "aux.py", "lib/nul.txt", "com1.py", "x" * 241, "/".join("a" * 21), "a:b.py"],
)  # fmt: skip
def test_a_path_that_could_lead_astray_is_refused(tmp_path, name):
    refused(zipped(MAIN, (name, b"")), tmp_path, "path")


@pytest.mark.parametrize(
    "mode",
    [stat.S_IFLNK | 0o777, stat.S_IFCHR | 0o600, stat.S_IFIFO | 0o600, stat.S_IFSOCK | 0o600,
     stat.S_IFREG | stat.S_ISUID | 0o755, stat.S_IFREG | stat.S_ISVTX | 0o644],
)  # fmt: skip
def test_what_is_not_a_plain_file_or_folder_is_refused(tmp_path, mode):
    refused(zipped(MAIN, (an_entry("x", mode), b"/etc/passwd")), tmp_path)


@pytest.mark.parametrize(
    "pair", [("a.py", "A.py"), ("é.py", "e\u0301.py"), ("a", "a/b.py"), ("A/b", "a")]
)
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
     b"PK\x05\x06" + b"\0" * 18],
)  # fmt: skip
def test_what_is_not_one_archive_from_end_to_end_is_refused(tmp_path, content):
    refused(content, tmp_path)


def test_an_archive_without_a_script_is_refused(tmp_path):
    refused(zipped(("data.csv", b"")), tmp_path, "no .py file")


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    refused(zipped(MAIN, ("bomb", b"\0" * 50_000_000)), tmp_path, "far more than it is")


def test_too_many_entries_are_refused(tmp_path):
    content = zipped(*[(f"{n}.py", b"") for n in range(archive.MAX_ENTRIES + 1)])
    refused(content, tmp_path, "entries")


def test_a_wrong_checksum_is_refused(tmp_path):
    content = bytearray(zipped(method=zipfile.ZIP_STORED))
    content[content.index(b"hello")] ^= 1
    refused(bytes(content), tmp_path, "damaged")


@pytest.mark.parametrize("offset", [6, 8, 14, 18, 22, 30])
def test_headers_that_differ_are_refused(tmp_path, offset):
    content = bytearray(zipped())
    content[offset] ^= 1
    refused(bytes(content), tmp_path)


@pytest.mark.parametrize("offset", [8, 10])
def test_encrypted_and_unknown_compression_are_refused(tmp_path, offset):
    content = bytearray(zipped())
    directory = content.index(b"PK\x01\x02")
    for at in (offset - 2, directory + offset):
        content[at : at + 2] = struct.pack("<H", 1 if offset == 8 else 98)
    refused(bytes(content), tmp_path)


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [("a_1.0.0.zip", ("a", "1.0.0")), ("my_package_10.20.30.zip", ("my_package", "10.20.30"))],
)
def test_a_file_name_says_name_and_version(file_name, expected):
    assert archive.parse_name(file_name) == expected


@pytest.mark.parametrize(
    "file_name",
    ["a_1.0.zip", "a_01.0.0.zip", "a_1.0.0.ZIP", "_1.0.0.zip", "a b_1.0.0.zip", "../a_1.0.0.zip",
     "a_1.0.0.zip\0.exe", "x" * 300 + "_1.0.0.zip", "a_1.0.0.zip.zip", "a.zip", "", "a_1.0.0",
     "a_1.0.0.zip\n", "é_1.0.0.zip", "a_\uff11.0.0.zip"],
)  # fmt: skip
def test_any_other_file_name_is_refused(file_name):
    with pytest.raises(Invalid):
        archive.parse_name(file_name)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_changed_it_is_taken_or_refused_and_nothing_else(tmp_path_factory, data):
    content = bytearray(zipped(MAIN, ("lib/a.py", b"x" * 50)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    file = tmp_path_factory.getbasetemp() / "changed.zip"
    file.write_bytes(content[:cut])
    try:
        archive.inspect(file)
    except Invalid as refusal:
        assert "The package is refused" in str(refusal)
