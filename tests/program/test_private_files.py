"""What the server stores is for its own account, in whatever folder it finds itself."""

import asyncio
import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sdk import private_folder
from sdk.private_folder import OpenFolder
from tests.support.world import ADMIN_PASSWORD, api_at

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
OPEN_UMASK = 0o022
COMMAND = [sys.executable, "-m", "orchestrator_server"]
root_only = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="needs root, for files of another account"
)


def mode_of(path):
    return stat.S_IMODE(path.lstat().st_mode)


def open_in(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.lstat().st_mode & 0o077}


def said_by(*words, **variables):
    return subprocess.run(
        [*COMMAND, *map(str, words)], env=os.environ | variables, capture_output=True, text=True,
        umask=OPEN_UMASK, check=False,
    )  # fmt: skip


@asynccontextmanager
async def serving(data, *options, database_url=None):
    more = ["--database-url", database_url] if database_url else []
    server = await asyncio.create_subprocess_exec(
        *COMMAND, "serve", "--port", "0", "--data", str(data), *more, *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, umask=OPEN_UMASK,
        env=os.environ | {"RUNWRIGHT_ADMIN_PASSWORD": ADMIN_PASSWORD},
    )  # fmt: skip
    said = []
    try:
        async with asyncio.timeout(60):
            while not said or "ready" not in said[-1]:
                line = (await server.stdout.readline()).decode()
                assert line, said
                said.append(line)
        yield re.search(r"http://[\d.:]+", said[-1])[0], said
    finally:
        if server.returncode is None:
            server.terminate()
        await server.communicate()


async def use(url):
    """A package, and a job with a log and an artifact."""
    async with api_at(url) as api:
        admin = await api.sign_in()
        job = await admin.make_job(await admin.make_process())
        robot = await admin.make_robot()
        await robot.post("/api/runner/next-job", 200)
        here = f"/api/runner/jobs/{job['id']}"
        log = {"params": {"attempt": 1, "offset": 0}, "data": b"hello"}
        await robot.ask("POST", f"{here}/log", **log)
        said = {"status": "completed", "result": {"sum": 7}, "logs": "done"}
        await robot.post(f"{here}/update", 200, **said)


@pytest.mark.parametrize("made", ["by us", "before, open", "before, open, used"])
async def test_nothing_that_the_server_writes_is_open_to_others(tmp_path, database_url, made):
    data = tmp_path / "own"
    if made != "by us":
        data.mkdir()
        data.chmod(0o755)
    if made.endswith("used"):
        async with serving(data, database_url=database_url):
            pass
        for path in (data, *data.rglob("*")):
            if path.name != "keys.json":
                path.chmod(0o755 if path.is_dir() else 0o644)
    async with serving(data, database_url=database_url) as (url, said):
        await use(url)
        assert mode_of(data) == 0o700 and open_in(data) == set()
        assert {file.suffix for file in data.glob("*/**/*.*")} >= {".zip", ".log"}
    closed = [line for line in said if "closed the data folder" in line]
    assert len(closed) == (made != "by us")
    assert all("755" in line for line in closed)


def strange(data):
    (data / "notes.txt").write_text("of somebody")
    return "it holds files that are not Runwright's, such as 'notes.txt'"


def setgid(data):
    data.chmod(0o2755)
    return "it has the setgid or the sticky bit"


def acl(data):
    if not hasattr(os, "setxattr"):
        pytest.skip("there are no extended attributes")
    # Version 2; the owner rwx, user 12 r-x, the group r-x, the mask r-x, others r-x.
    entries = [(1, 7, -1), (2, 5, 12), (4, 5, -1), (16, 5, -1), (32, 5, -1)]
    value = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little")
        + rights.to_bytes(2, "little")
        + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, rights, who in entries
    )
    try:
        os.setxattr(data, "system.posix_acl_access", value)
    except OSError as error:
        pytest.skip(f"this file system has no access control lists: {error}")
    return "it has an access control list"


@pytest.mark.parametrize("how", [strange, setgid, acl])
@pytest.mark.parametrize("command", ["serve", "restore"])
async def test_a_folder_that_may_have_to_be_open_is_refused_with_the_command(
    tmp_path, how, command
):
    data = tmp_path / "da ta"
    data.mkdir()
    data.chmod(0o755)
    why = how(data)
    before = mode_of(data)
    words = ["--port", "0"] if command == "serve" else [tmp_path]
    said = said_by(command, *words, "--data", data)
    assert said.returncode == 78 and "Traceback" not in said.stderr
    assert why in said.stderr and "--allow-open-data-folder" in said.stderr
    assert mode_of(data) == before and not (data / "runwright.db").exists()
    [fix] = re.findall("Run: (chmod .*), or start with", said.stderr)
    subprocess.run(fix, shell=True, check=True)
    async with serving(data):
        assert mode_of(data) & 0o077 == 0


@pytest.mark.parametrize("how", ["option", "variable"])
async def test_whoever_means_it_open_can_have_it_so_and_files_are_private_still(
    tmp_path, how, monkeypatch
):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    (data / "notes.txt").write_text("of somebody")
    (data / "notes.txt").chmod(0o644)
    if how == "variable":
        monkeypatch.setenv("RUNWRIGHT_ALLOW_OPEN_DATA_FOLDER", "1")
    options = ["--allow-open-data-folder"] if how == "option" else []
    async with serving(data, *options) as (_, said):
        assert mode_of(data) == 0o755 and open_in(data) == {"notes.txt"}
    assert any("other users can read the data folder" in line for line in said)


async def test_a_backup_and_what_is_restored_from_it_are_private(tmp_path):
    data, restored = tmp_path / "data", tmp_path / "restored"
    async with serving(data):
        pass
    made = said_by("backup", tmp_path / "saved", "--data", data)
    assert made.returncode == 0, made.stderr
    assert mode_of(tmp_path / "saved") == 0o700 and open_in(tmp_path / "saved") == set()
    restored.mkdir()
    restored.chmod(0o755)
    back = said_by("restore", tmp_path / "saved", "--data", restored)
    assert back.returncode == 0, back.stderr
    assert mode_of(restored) == 0o700 and open_in(restored) == set()


async def test_doctor_says_that_the_folder_is_open(tmp_path):
    data = tmp_path / "data"
    async with serving(data):
        pass
    assert "ok  Other users cannot read the data folder" in said_by("doctor", "--data", data).stdout
    data.chmod(0o750)
    found = said_by("doctor", "--data", data)
    assert found.returncode == 1 and f"is open: chmod 700 {data}" in found.stdout
    allowed = said_by("doctor", "--data", data, "--allow-open-data-folder")
    assert allowed.returncode == 0


@root_only
def test_a_folder_of_another_account_is_not_closed_for_it(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    shutil.chown(data, "nobody")
    with pytest.raises(OpenFolder, match="it belongs to user nobody") as refused:
        private_folder.close(data, ())
    assert f"sudo chown root {data} && sudo chmod 700 {data}" in str(refused.value)


def test_links_in_a_folder_that_is_closed_are_not_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside").chmod(0o755)
    (tmp_path / "outside" / "file").touch(0o644)
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    data.chmod(0o755)
    (data / "logs" / "link").symlink_to(tmp_path / "outside")
    (data / "packages").symlink_to(tmp_path / "outside")
    assert private_folder.close(data, ("logs", "packages")) == 0o755
    assert mode_of(data) == mode_of(data / "logs") == 0o700
    assert mode_of(tmp_path / "outside") == 0o755
    assert mode_of(tmp_path / "outside" / "file") == 0o644


def test_a_mount_point_is_not_closed():
    with pytest.raises(OpenFolder, match=r"mount point|belongs to user|sticky"):
        private_folder.close(Path("/proc"), ("*",))
