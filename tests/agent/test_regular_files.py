"""What a script may put where a file is expected, and how long reading it takes: no time at all."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sdk.running import regular_files
from sdk.running.regular_files import NotRegular

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kinds of files of POSIX")


def a_socket(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SWAPS = """if 1:
    import os, pathlib
    while True:
        os.symlink('target', 'new')
        os.replace('new', 'it')
        os.mkfifo('new')
        os.replace('new', 'it')
        pathlib.Path('new').write_text('fine')
        os.replace('new', 'it')
"""
KINDS = {
    "a named pipe": os.mkfifo,
    "a socket": a_socket,
    "a directory": os.mkdir,
    "a link": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    return Path()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT])
async def test_what_is_no_regular_file_is_refused_at_once_with_its_kind(folder, kind, flags):
    KINDS[kind](folder / "it")
    with pytest.raises(NotRegular, match=f"It is {kind}, and no regular file"):
        async with asyncio.timeout(5):
            await asyncio.to_thread(regular_files.descriptor_of, folder / "it", flags)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full"])
def test_a_device_is_refused(device):
    with pytest.raises(NotRegular, match="a device"):
        regular_files.read(Path(device), 10)


def test_a_pipe_that_somebody_writes_to_is_refused_too(folder):
    os.mkfifo("pipe")
    both = os.open("pipe", os.O_RDWR)
    try:
        os.write(both, b"{}")
        with pytest.raises(NotRegular):
            regular_files.read(folder / "pipe", 10)
    finally:
        os.close(both)


def test_of_a_sparse_file_of_a_terabyte_no_more_is_read_than_asked_for(folder):
    with open("huge", "wb") as file:
        file.truncate(1 << 40)
    assert regular_files.read(folder / "huge", 5) == bytes(5)


def test_a_link_on_the_way_is_not_followed_nor_is_the_folder_itself_one(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_text("x")
    (tmp_path / "job" / "work").mkdir(parents=True)
    (tmp_path / "job" / "work" / "deep").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    work = tmp_path / "job" / "work"
    with pytest.raises(NotRegular, match="on the way"):
        regular_files.read(work / "deep" / "secret", 10, within=work)
    with pytest.raises(NotRegular):
        regular_files.read(tmp_path / "linked", 10)
    with pytest.raises(NotRegular, match="on the way"):
        regular_files.read(tmp_path / "linked" / "secret", 10)
    assert regular_files.read(tmp_path / "elsewhere" / "secret", 10, within=tmp_path) == b"x"


def test_a_file_that_is_replaced_in_a_race_is_never_followed_nor_waited_for(folder):
    """Each opening meets one kind or another; it never gets at what the link leads to."""
    Path("target").write_text("secret")
    swapping = subprocess.Popen([sys.executable, "-c", SWAPS])
    try:
        read = []
        while len(read) < 50:
            try:
                read.append(regular_files.read(folder / "it", 10))
            except OSError:
                continue
        assert set(read) <= {b"fine", b""}
    finally:
        swapping.kill()
        swapping.wait()


def test_what_is_written_is_inherited_without_waiting_turned_off(folder):
    descriptor = regular_files.descriptor_of(folder / "new", os.O_WRONLY | os.O_CREAT)
    try:
        assert os.get_blocking(descriptor)
    finally:
        os.close(descriptor)


def test_a_scan_names_everything_and_follows_nothing(tmp_path):
    work = tmp_path / "work"
    (work / "deep" / "deeper").mkdir(parents=True)
    (work / "deep" / "deeper" / "a").write_text("a")
    (work / "up").symlink_to(tmp_path)
    os.mkfifo(work / "pipe")
    found = {str(entry.path.relative_to(work)) for entry in regular_files.scan(work)}
    assert found == {"deep/deeper/a", "up", "pipe"}
    shallow = {str(e.path.relative_to(work)) for e in regular_files.scan(work, most_depth=1)}
    assert shallow == {"deep/deeper", "up", "pipe"}


def test_a_scan_of_no_folder_is_empty_and_of_a_link_refused(tmp_path):
    assert list(regular_files.scan(tmp_path / "none")) == []
    (tmp_path / "linked").symlink_to("/etc")
    with pytest.raises(NotRegular, match="It is a link"):
        list(regular_files.scan(tmp_path / "linked"))
