"""The files and the memory of an agent are its own; its scripts get the umask that it had."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys

import pytest

from tests.agent.fake_server import serving
from tests.agent.other_accounts import (
    a_passable_folder,
    an_agent,
    environment,
    reachable_python,
    why_not,
)
from tests.agent.waiting import is_alive, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
# Root can read everything, so where we are root the agent is another account's.
USER = "nobody" if sys.platform != "win32" and os.geteuid() == 0 else None
as_plain_account = pytest.mark.skipif(
    bool(USER and why_not()) or reachable_python() is None, reason="no account but root is here"
)
MODES = """
import json, os, stat, sys
open("file", "w").close()
os.mkdir("folder")
modes = [oct(stat.S_IMODE(os.stat(name).st_mode)) for name in ("file", "folder")]
open(os.environ["RUNWRIGHT_RESULT"], "w").write(json.dumps(modes))
"""


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


@pytest.fixture
def home():
    with a_passable_folder() as folder:
        if USER:
            shutil.chown(folder, USER)
        yield folder


def mode_of(path):
    return stat.S_IMODE(path.lstat().st_mode)


def open_in(folder):
    """What others can read, but for links, which have no modes of their own."""
    found = [path for path in folder.rglob("*") if not path.is_symlink()]
    return {str(path.relative_to(folder)) for path in found if mode_of(path) & 0o077}


@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize(
    ("umask", "modes"), [(0o022, ["0o644", "0o755"]), (0o007, ["0o660", "0o770"])]
)
async def test_scripts_keep_the_umask_and_the_agents_own_files_are_private(
    server, tmp_path, start, umask, modes
):
    server.start = start
    data = tmp_path / "data"
    if umask == 0o022:  # made before it, open, with what an earlier version left open
        (data / "packages").mkdir(parents=True)
        (data / "journal.db").touch()
        for path in (data, *data.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
    server.give(MODES)
    server.give("import time; print('up', flush=True); time.sleep(60)")
    async with an_agent(server.url, data, "", umask=umask) as agent:
        await server.until(lambda: b"up" in server.log)
        assert mode_of(data) == 0o700
        inside = open_in(data)  # but for templates of Python's `venv`, which keep their modes
        assert {name for name in inside if "/work/" not in name and "/bin/" not in name} == set()
        assert mode_of(data / "environments") == 0o700
        agent.send_signal(signal.SIGTERM)
        await until(lambda: "Stopping" in agent.said)
        agent.send_signal(signal.SIGTERM)
        await until(lambda: len(server.reports) == 2)
    assert server.reports[0]["result"] == modes
    assert agent.said.count("Closed the data folder") == (umask == 0o022)


async def test_a_data_folder_that_may_have_to_be_open_is_refused_with_the_command(server, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    (data / "notes.txt").write_text("of somebody")
    async with an_agent(server.url, data, "") as agent:
        assert await agent.wait() == 78
    assert f"Run: chmod 700 {data}, or start with --allow-open-data-folder" in agent.said
    assert "such as 'notes.txt'" in agent.said and mode_of(data) == 0o755
    allowed = {"RUNWRIGHT_ALLOW_OPEN_DATA_FOLDER": "1"}
    for options, variables in [(["--allow-open-data-folder"], {}), ([], allowed)]:
        async with an_agent(server.url, data, "", *options, **variables) as agent:
            await until(lambda agent=agent: "is registered" in agent.said, 20)
            assert open_in(data) <= {"notes.txt"} and "As allowed" in agent.said
    subprocess.run(["chmod", "700", str(data)], check=True)
    async with an_agent(server.url, data, "") as agent:
        await until(lambda: "is registered" in agent.said, 20)


LOOKS = """
import json, os, pathlib, signal, subprocess, sys
def reach(deed):
    try:
        return str(deed())[:60]
    except OSError as error:
        return type(error).__name__
agent = os.getppid()
while b"robot_agent\\0run" not in pathlib.Path(f"/proc/{agent}/cmdline").read_bytes():
    agent = int(pathlib.Path(f"/proc/{agent}/stat").read_text().rpartition(")")[2].split()[1])
found = {
    "environ": reach(lambda: open(f"/proc/{agent}/environ", "rb").read()),
    "memory": reach(lambda: open(f"/proc/{agent}/mem", "rb")),
    "files": reach(lambda: os.listdir(f"/proc/{agent}/fd")),
    "own": reach(lambda: len(open("/proc/self/environ", "rb").read()) > 0),
    "own files": reach(lambda: sorted(os.listdir("/proc/self/fd"))),
}
open(os.environ["RUNWRIGHT_RESULT"], "w").write(json.dumps(found))
"""


@linux
@as_plain_account
@pytest.mark.parametrize("start", ["cold", "warm"])
async def test_a_script_of_the_same_account_reaches_no_memory_of_its_agent(server, home, start):
    server.start = start
    server.give(LOOKS)
    server.give(
        "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    )
    stays = server.give("import time; print('up', flush=True); time.sleep(600)")
    async with an_agent(server.url, home / "data", "", user=USER) as agent:
        await server.until(lambda: b"up" in server.log)
        found = server.reports[0]["result"]
        assert {found[name] for name in ("environ", "memory", "files")} == {"PermissionError"}
        # A script itself is as it always was, and so is what its end takes with it.
        assert found["own"] == "True" and "'3'" in found["own files"]
        assert found["own files"].count("'") == 8, found
        assert "1 process was killed" in agent.said or "1 processes were killed" in agent.said
        server.actions[stays] = "kill"
        await server.until(lambda: len(server.reports) == 3)
    assert server.reports[2]["reason"] == "canceled_by_user"
    assert "cold one" not in agent.said


@linux
@as_plain_account
async def test_the_key_by_a_descriptor_reaches_no_script(server, home):
    key = home / "key"
    key.write_text("good-key\n")
    if USER:
        shutil.chown(key, "root")
    key.chmod(0o600)
    server.give(
        "import os, json\n"
        "links = [os.readlink(f'/proc/self/fd/{n}') for n in range(3)]\n"
        f"try: open({str(key)!r}).read(); read = True\n"
        "except OSError: read = False\n"
        "open(os.environ['RUNWRIGHT_RESULT'], 'w').write(json.dumps([links, read]))"
    )
    with key.open() as opened:
        program = subprocess.Popen(
            [reachable_python(), "-m", "robot_agent", "run", "--url", server.url, "--name", "bert",
             "--data", str(home / "data"), "--machine-key-fd", "0"],
            stdin=opened, user=USER, env=environment(), stderr=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
    try:
        await server.until(lambda: server.reports)
        links, was_read = server.reports[0]["result"]
        assert str(key) not in links and was_read == (USER is None)
        assert is_alive(program.pid)
    finally:
        program.terminate()
        program.wait()
    assert json.dumps(server.reports).count("good-key") == 0
