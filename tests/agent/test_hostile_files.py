"""What a script puts where its agent reads: the job ends, and the agent goes on until it is asked.

Nothing here may wait: `an_agent` gives the agent ten seconds to stop.
"""

import os
import stat
import sys

import pytest

from robot_agent import job_folder
from robot_agent.data_folder import opened
from robot_agent.spool import Spool
from sdk.running import regular_files
from tests.agent.fake_server import serving
from tests.agent.running_agent import an_agent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kinds of files of POSIX")

PUTS = """if 1:
    import os, pathlib, socket, time
    folder = pathlib.Path(os.environ['RUNWRIGHT_RESULT']).parent
    file = folder / {file!r}
    print('up', flush=True)
    if file.exists() and not file.is_dir():
        file.unlink()
    def a_socket():
        os.chdir(file.parent)
        socket.socket(socket.AF_UNIX).bind(file.name)
    def is_huge():
        with file.open('wb') as content:
            content.truncate(1 << 40)
    def is_unreadable():
        file.write_text('{{}}')
        file.chmod(0)
    {{
        'pipe': lambda: os.mkfifo(file),
        'zeros': lambda: file.symlink_to('/dev/zero'),
        'socket': a_socket,
        'huge': is_huge,
        'directory': file.mkdir,
        'unreadable': is_unreadable,
    }}[{kind!r}]()
    {then}
"""
KINDS = ["pipe", "zeros", "socket", "huge", "directory", "unreadable"]


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "file", ["progress.json", "failure.json", "secrets-read", "output.log", "stop"]
)
async def test_it_costs_neither_the_job_nor_the_agent(server, tmp_path, monkeypatch, file, kind):
    """A second and a half: time enough for the agent to read its progress."""
    server.give(PUTS.format(file=file, kind=kind, then="time.sleep(1.5)"))
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
        server.give("pass")
        await server.note()
        await server.until(lambda: len(server.reports) == 2)
    assert [report["status"] for report in server.reports] == ["completed", "completed"]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("pipe", "It is a named pipe, and no regular file"),
        ("zeros", "It is a link, and no regular file"),
        ("socket", "It is a socket, and no regular file"),
        ("directory", "It is a directory, and no regular file"),
        ("huge", "is larger than 1048576 bytes"),
    ],
)
async def test_a_result_that_is_no_file_fails_the_job_and_says_so(
    server, tmp_path, monkeypatch, kind, why
):
    server.give(PUTS.format(file="result.json", kind=kind, then="pass"), timeout_seconds=5)
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
    [report] = server.reports
    assert (report["status"], report["reason"]) == ("failed", "script_failed")
    assert report["error_message"].startswith("The result of the script")
    assert why in report["error_message"]


@pytest.mark.parametrize("file", ["result.json", "progress.json"])
async def test_a_pipe_that_nobody_writes_to_outlives_no_time_limit_and_no_cancel(
    server, tmp_path, monkeypatch, file
):
    job = PUTS.format(file=file, kind="pipe", then="time.sleep(60)")
    server.give(job, timeout_seconds=1)
    canceled = server.give(job)
    server.actions[canceled] = "stop"
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: len(server.reports) == 2)
    assert [r["reason"] for r in server.reports] == ["script_timeout", "canceled_by_user"]


@pytest.mark.parametrize("then", ["time.sleep(1.5)", "os.abort()"])
async def test_a_folder_that_is_locked_replaced_or_gone_costs_its_job_alone(
    server, tmp_path, monkeypatch, then
):
    outside = tmp_path / "outside" / "locked"
    outside.mkdir(parents=True, mode=0o500)
    for deed in (
        "folder.chmod(0)",
        "shutil.rmtree(folder)",
        f"os.rename(folder, folder.parent / 'other'); folder.symlink_to({str(outside.parent)!r})",
        "os.rename(folder, folder.parent / 'gone'); folder.write_text('')",
    ):
        server.give(
            "import os, pathlib, shutil, time\n"
            "folder = pathlib.Path(os.environ['RUNWRIGHT_RESULT']).parent\n"
            f"{deed}\n{then}\n"
        )
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: len(server.reports) == 4)
    expected = "completed" if then.startswith("time") else "failed"
    statuses = [report["status"] for report in server.reports]
    assert set(statuses) <= {expected, "failed"}
    assert list((tmp_path / "jobs" / "7").iterdir()) == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o500  # it was not reached by the link


@pytest.mark.skipif(os.name == "posix" and os.getuid() == 0, reason="root is never locked out")
def test_a_tree_that_locks_its_owner_out_is_removed(tmp_path):
    (tmp_path / "job" / "work" / "deep").mkdir(parents=True)
    (tmp_path / "job" / "work").chmod(0)
    job_folder.clear_away([tmp_path / "job"])
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_taken_off_a_tree_and_off_nothing_that_it_links_to(tmp_path):
    (tmp_path / "outside").mkdir(mode=0o500)
    tree = tmp_path / "job"
    (tree / "deep").mkdir(parents=True)
    (tree / "linked").symlink_to(tmp_path / "outside")
    (tree / "deep").chmod(0)
    regular_files.unlock(tree)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (tree / "deep", tmp_path / "outside")]
    assert modes == [0o700, 0o500]
    with pytest.raises(OSError, match="linked"):
        regular_files.unlock(tree / "linked")


def test_what_a_link_in_place_of_the_output_leads_to_is_neither_read_nor_cut(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a key of the agent")
    (tmp_path / "output.log").symlink_to(secret)
    spool = Spool(tmp_path / "output.log")
    spool.keep_at_most(0)
    spool.close()
    spool.close_unwatched()
    assert (spool.size(), spool.read(0, 100)) == (0, b"")
    assert secret.read_text() == "a key of the agent"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_package_that_was_replaced_in_the_cache_is_fetched_again(
    server, tmp_path, monkeypatch, kind
):
    with opened(tmp_path, 0) as data:
        server.give("pass")
        sha256 = server.waiting[0]["package"]["sha256"]
        archive = data.packages / f"{sha256}.zip"
        {
            "pipe": lambda: os.mkfifo(archive),
            "zeros": lambda: archive.symlink_to("/dev/zero"),
            "socket": lambda: archive.symlink_to("/dev/full"),
            "huge": lambda: archive.write_bytes(b"x"),
            "directory": archive.mkdir,
            "unreadable": lambda: archive.symlink_to("/dev/null"),
        }[kind]()
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
    [report] = server.reports
    expected = ("failed", "environment_failed") if kind == "directory" else ("completed", None)
    assert (report["status"], report["reason"]) == expected
