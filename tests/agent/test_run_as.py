"""With --run-as, scripts reach neither the agent nor each other. As root only; CI is."""

import asyncio
import io
import json
import os
import pwd
import signal
import stat
import subprocess
import zipfile

import pytest

from robot_agent import run_as
from robot_agent.environments import ownership
from sdk.running import regular_files
from sdk.running.launch import Launch
from sdk.running.regular_files import NotRegular
from tests.agent.fake_server import serving
from tests.agent.other_accounts import (
    a_passable_folder,
    accounts,
    an_agent,
    environment,
    reachable_python,
    why_not,
)
from tests.agent.package_index import an_index
from tests.agent.waiting import is_alive, until
from tests.support.processes import a_server
from tests.support.world import api_at, archive

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
WARMTH = ["cold", "warm"]

REACH = """
import json, os, pathlib, sys
def reach(deed):
    try:
        deed()
    except OSError as error:
        return type(error).__name__
    return "reached"
result = pathlib.Path(os.environ["RUNWRIGHT_RESULT"])
data = result.parents[3]
with open("/proc/self/status") as status:
    told = dict(line.split(":", 1) for line in status)
parents = [int(told["PPid"])]
while parents[-1] > 1:
    with open(f"/proc/{parents[-1]}/status") as status:
        parents.append(int(dict(line.split(":", 1) for line in status)["PPid"]))
agent = next(pid for pid in parents if os.stat(f"/proc/{pid}").st_uid == 0)
found = {
    "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
    "who": [os.environ[n] for n in ("HOME", "USER", "LOGNAME")],
    "no_new_privs": told["NoNewPrivs"].strip(),
    "capabilities": told["CapEff"].strip(),
    "umask": told["Umask"].strip(),
    "files": sorted(os.listdir("/proc/self/fd")),
    "data": reach(lambda: os.listdir(data)),
    "journal": reach(lambda: open(data / "journal.db")),
    "packages": reach(lambda: os.listdir(data / "packages")),
    "jobs": reach(lambda: os.listdir(data / "jobs")),
    "new file": reach(lambda: open(data / "evil", "w")),
    "own job's place": reach(lambda: os.rename(result.parent, result.parent.with_name("x"))),
    "environment": reach(lambda: open(os.path.join(sys.prefix, "evil"), "w")),
    "module": reach(lambda: open(next(pathlib.Path(sys.prefix).glob("lib/*/*/zzz*.pth")), "a")),
    "runtime": reach(lambda: open(__import__("sdk").__file__, "a")),
    "agent's environment": reach(lambda: open(f"/proc/{agent}/environ").read()),
    "agent's memory": reach(lambda: open(f"/proc/{agent}/mem")),
    "agent's files": reach(lambda: os.listdir(f"/proc/{agent}/fd")),
    "signal": reach(lambda: os.kill(agent, 0)),
    "own output": reach(lambda: open("/dev/stdout", "a").write("by name\\n")),
    "own folder": reach(lambda: open("mine", "w")),
}
result.write_text(json.dumps(found))
"""
CLOSED = {
    "data", "journal", "packages", "jobs", "new file", "own job's place", "environment", "module",
    "runtime", "agent's environment", "agent's memory", "agent's files", "signal",
}  # fmt: skip


@pytest.fixture
def home():
    with a_passable_folder() as folder:
        yield folder


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


@pytest.mark.parametrize("start", WARMTH)
async def test_a_script_has_the_account_and_reaches_nothing_of_the_agent(server, home, start):
    server.start = start
    account = pwd.getpwnam("nobody")
    server.give(REACH)
    server.give(REACH)
    async with an_agent(server.url, home / "data", "nobody", umask=0o027) as agent:
        await server.until(lambda: len(server.reports) == 2)
    for report in server.reports:
        assert report["status"] == "completed", (report, server.log, agent.said)
        found = report["result"]
        uid, gid = account.pw_uid, account.pw_gid
        groups = sorted(os.getgrouplist("nobody", gid))
        assert [found["ids"][0], found["ids"][1]] == [[uid] * 3, [gid] * 3]
        assert sorted(found["ids"][2]) == groups
        assert found["who"] == [account.pw_dir, "nobody", "nobody"]
        assert (found["no_new_privs"], int(found["capabilities"], 16)) == ("1", 0)
        assert found["umask"] == "0027"  # as the agent was started
        assert found["files"] == ["0", "1", "2", "3"]  # 3 is the look at them
        assert {name for name, how in found.items() if how == "PermissionError"} == CLOSED
        assert found["own output"] == found["own folder"] == "reached"
    assert server.log.count(b"by name") >= 1
    assert "cold one" not in agent.said


async def test_what_the_agent_stores_is_closed_but_for_what_scripts_need(server, home):
    server.give("import time; print('up', flush=True); time.sleep(60)")
    async with an_agent(server.url, home / "data", "nobody"):
        await server.until(lambda: b"up" in server.log)
        data, uid = home / "data", pwd.getpwnam("nobody").pw_uid
        [job] = data.glob("jobs/*/*")
        for place in (data, data / "jobs", job.parent, data / "environments"):
            assert (place.stat().st_uid, stat.S_IMODE(place.stat().st_mode)) == (0, 0o711)
        assert stat.S_IMODE((data / "packages").stat().st_mode) == 0o700
        assert {p.stat().st_uid for p in (job, *job.rglob("*"))} == {uid}
        assert not [p for p in (job, *job.rglob("*")) if p.stat().st_mode & 0o077]
        for file in [path for path in data.iterdir() if path.is_file()]:
            assert (file.stat().st_uid, file.stat().st_mode & 0o077) == (0, 0), file
        built = [p for p in data.glob("environments/*/*") if (p / "pyvenv.cfg").exists()]
        assert built
        for path in (p for folder in built for p in folder.rglob("*")):
            found = path.lstat()
            assert found.st_uid == 0
            assert path.is_symlink() or not found.st_mode & 0o022, path
    async with an_agent(server.url, home / "data", "") as again:  # without, it is closed again
        await until(lambda: "registered" in again.said, 20)
        assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700


LEAVES_LINKS = """
import os, pathlib, time
result = pathlib.Path(os.environ["RUNWRIGHT_RESULT"])
secret = {secret!r}
for name in ("result.json", "progress.json", "failure.json", "secrets-read", "stop"):
    (result.parent / name).symlink_to(secret)
(result.parent / "output.log").unlink()
(result.parent / "output.log").symlink_to(secret)
os.mkdir("artifacts")
os.symlink(secret, "artifacts/link.txt")
os.symlink(os.path.dirname(secret), "artifacts/folder")
os.symlink(os.path.dirname(secret), "below")
"""


@pytest.mark.parametrize("start", WARMTH)
async def test_no_link_of_a_script_makes_the_agent_read_change_or_remove_what_is_elsewhere(
    server, home, start
):
    server.start = start
    outside = home / "outside"
    outside.mkdir(mode=0o700)
    secret = outside / "secret"
    secret.write_text('"ROOTS-OWN-SECRET"')
    secret.chmod(0o600)
    server.give(LEAVES_LINKS.format(secret=str(secret)))
    server.give("print('next')")
    async with an_agent(server.url, home / "data", "nobody") as agent:
        await server.until(lambda: len(server.reports) == 2)
    sent = json.dumps(server.reports) + str(server.beats) + str(server.artifacts)
    assert "ROOTS-OWN-SECRET" not in sent + server.log.decode() + agent.said
    assert secret.read_text() == '"ROOTS-OWN-SECRET"' and list(outside.iterdir()) == [secret]
    assert (secret.stat().st_uid, stat.S_IMODE(secret.stat().st_mode)) == (0, 0o600)
    assert not list((home / "data").glob("jobs/*/*"))  # nothing is left


def test_a_hard_link_in_the_folder_of_an_account_is_not_read_by_root(home):
    uid, gid = pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid
    (home / "secret").write_text("of root")
    (home / "folder").mkdir()
    (home / "folder" / "result.json").hardlink_to(home / "secret")  # where the kernel lets it
    os.chown(home / "folder", uid, gid)
    with pytest.raises(NotRegular, match="another account"):
        regular_files.read(home / "folder" / "result.json", 100)
    (home / "folder" / "mine").write_text("made by us")
    assert regular_files.read(home / "folder" / "mine", 100) == b"made by us"
    (home / "folder" / "theirs").write_text("of nobody")
    os.chown(home / "folder" / "theirs", uid, gid)
    assert regular_files.read(home / "folder" / "theirs", 100) == b"of nobody"


ESCAPES = """
import os, subprocess, sys, time
ready = {ready!r}
waits = "import sys, time; open(sys.argv[1], 'w').close(); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", waits, ready], start_new_session=True, env={{}})
while not os.path.exists(ready): time.sleep(0.01)
print(os.getpid(), child.pid, flush=True)
{then}
"""


@pytest.mark.parametrize("start", WARMTH)
@pytest.mark.parametrize("how", ["end", "cancel", "memory", "agent"])
async def test_what_a_script_starts_is_ended_with_it(server, home, start, how):
    server.start = start
    (home / "room").mkdir()
    (home / "room").chmod(0o777)
    then = {"end": "", "memory": "x = b'x' * 300_000_000; time.sleep(600)"}
    text = then.get(how, "time.sleep(600)")
    job = server.give(ESCAPES.format(ready=str(home / "room" / "ready"), then=text))
    options = ["--job-memory-mib", "200"] if how == "memory" else []
    async with an_agent(server.url, home / "data", "nobody", *options) as agent:
        await server.until(lambda: b"\n" in server.log)
        pids = [int(word) for word in server.log.split()[:2]]
        if how == "cancel":
            server.actions[job] = "kill"
        if how == "agent":
            agent.send_signal(signal.SIGKILL)
            await agent.wait()
            await until(lambda: not is_alive(pids[0]))
            # The next start finds no mark on what has changed its environment and its parent.
            os.kill(pids[1], signal.SIGKILL)
            return
        await server.until(lambda: server.reports)
        await until(lambda: not any(map(is_alive, pids)))
    reasons = {"end": None, "cancel": "canceled_by_user", "memory": "out_of_memory"}
    assert server.reports[0]["reason"] == reasons[how]


BACKEND = """
import os, pathlib, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "evil-1.0-py3-none-any.whl"
    info = "evil-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("evil.py", f"BUILT_BY = {os.getresuid()!r}, {os.environ.get('HOME')!r}")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: evil\\nVersion: 1.0\\n")
        about = "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(info + "WHEEL", about)
        wheel.writestr(info + "RECORD", "")
    for folder in list(pathlib.Path.cwd().parents)[:4] if %r else []:
        for ours in ("pylock.local.toml", "pylock.all.toml", "runwright-ready"):
            try:
                (folder / ours).symlink_to(%r)
            except OSError:
                pass
    return name
"""


@pytest.mark.parametrize("is_hostile", [False, True], ids=["plain", "hostile"])
async def test_what_builds_has_the_account_and_what_is_built_is_the_agents(
    server, home, is_hostile
):
    """A build backend is code of the package; a hostile one leaves links where the agent writes."""
    outside = home / "outside"
    outside.write_text("as it was")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("requirements.txt", "./evil\n")
        package.writestr(
            "evil/pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
            '[project]\nname = "evil"\nversion = "1.0"\n',
        )
        package.writestr("evil/b.py", BACKEND % (is_hostile, str(outside)))
        package.writestr("main.py", "import evil; print(evil.BUILT_BY, flush=True)")
    server.give("", content=content.getvalue())
    async with (
        an_index() as index,
        an_agent(server.url, home / "data", "nobody", UV_DEFAULT_INDEX=index.url),
    ):
        await server.until(lambda: server.reports)
    [report] = server.reports
    assert outside.read_text() == "as it was" and outside.stat().st_uid == 0
    if is_hostile:  # it is written with the rights of the account
        assert "Permission denied" in report["error_message"]
        return
    assert report["status"] == "completed", report["error_message"]
    account = pwd.getpwnam("nobody")
    ids = (account.pw_uid,) * 3
    assert server.log.decode().strip() == f"({ids}, {account.pw_dir!r})"
    [module] = (home / "data").glob("environments/*/*/lib/python*/site-packages/evil.py")
    assert module.stat().st_uid == 0 and not module.stat().st_mode & 0o022


def a_link(folder):
    (folder / "link").symlink_to("/etc/passwd")


def a_pipe(folder):
    os.mkfifo(folder / "pipe")


def another_name(folder):
    (folder.parent / "secret").write_text("of root")
    (folder / "file").hardlink_to(folder.parent / "secret")


def of_another(folder):
    (folder / "file").touch()
    os.chown(folder / "file", pwd.getpwnam("games").pw_uid, 0)


def with_rights(folder):
    (folder / "file").touch()
    os.chown(folder / "file", pwd.getpwnam("nobody").pw_uid, 0)
    (folder / "file").chmod(0o6777)


@pytest.mark.parametrize("make", [a_link, a_pipe, another_name, of_another, with_rights])
def test_nothing_becomes_roots_that_is_not_what_was_built(home, make):
    account, folder = run_as._account("nobody"), home / "built"
    folder.mkdir()
    (folder / "module.py").touch(0o600)
    make(folder)
    for place in (folder, folder / "module.py"):
        os.chown(place, account.user_id, account.group_id)
    before = os.stat("/etc/passwd"), (folder.parent / "secret").exists()
    if make in (a_link, with_rights):
        ownership.take(Launch(account=account), folder)
        found = [path.lstat() for path in (folder, *folder.iterdir())]
        assert {about.st_uid for about in found} == {0}
        modes = {stat.S_IMODE(a.st_mode) for a in found if not stat.S_ISLNK(a.st_mode)}
        assert modes <= {0o755, 0o644, 0o444}
    else:
        with pytest.raises(OSError, match="no file of its own"):
            ownership.take(Launch(account=account), folder)
    assert (before[0].st_uid, before[0].st_mode) == (
        os.stat("/etc/passwd").st_uid, os.stat("/etc/passwd").st_mode,
    )  # fmt: skip
    if before[1]:
        assert stat.S_IMODE((folder.parent / "secret").stat().st_mode) == 0o644


async def test_a_folder_that_was_another_accounts_is_refused_with_the_command(server, home):
    data = home / "data"
    data.mkdir(mode=0o700)
    (data / "journal.db").touch()
    os.chown(data / "journal.db", pwd.getpwnam("nobody").pw_uid, 0)
    async with an_agent(server.url, data, "nobody") as agent:
        assert await agent.wait() == 78
    assert f"Run: chown -R root: {data}" in agent.said


LOOK = """
import json, os, pathlib, subprocess, sys, time
from sdk.runtime import job
meeting = pathlib.Path(job.parameters["meeting"])
here = pathlib.Path(os.environ["RUNWRIGHT_RESULT"]).parent
me = job.parameters["me"]
(meeting / me).write_text(json.dumps({"pid": os.getpid(), "folder": str(here)}))
other = meeting / {"a": "b", "b": "a"}[me]
while not other.exists() or not other.read_text(): time.sleep(0.02)
other = json.loads(other.read_text())
def reach(deed):
    try: deed()
    except OSError as error: return type(error).__name__
    return "reached"
folder, pid = other["folder"], other["pid"]
found = {
    "folder": reach(lambda: os.listdir(folder)),
    "parameters": reach(lambda: open(folder + "/parameters.json")),
    "log": reach(lambda: open(folder + "/output.log")),
    "environment": reach(lambda: open(f"/proc/{pid}/environ").read()),
    "memory": reach(lambda: open(f"/proc/{pid}/mem").read()),
    "signal": reach(lambda: os.kill(pid, 0)),
}
(meeting / (me + "-done")).touch()
while not all((meeting / (n + "-done")).exists() for n in "ab"): time.sleep(0.02)
pathlib.Path(os.environ["RUNWRIGHT_RESULT"]).write_text(json.dumps(found))
"""


async def test_two_robots_of_an_agent_reach_nothing_of_each_other(home, tmp_path):
    first, second = accounts()[:2]
    (home / "meeting").mkdir()
    (home / "meeting").chmod(0o1777)
    async with a_server(tmp_path / "server") as server, api_at(server.url) as api:
        admin = await api.sign_in()
        key = (await admin.post("/api/machines", 201, name="here"))["machine_key"]
        process = await admin.make_process(content=archive(main=LOOK))
        meeting = str(home / "meeting")
        wanted = [{"me": me, "meeting": meeting} for me in "ab"]
        jobs = [await admin.make_job(process, parameters=parameters) for parameters in wanted]
        run_as = f"{first},{second}"
        async with an_agent(server.url, home / "data", run_as, "--robots", "2", key=key) as agent:
            for job in jobs:
                async with asyncio.timeout(60):
                    while (found := await admin.get(f"/api/jobs/{job['id']}"))["status"] in (
                        "pending", "running",
                    ):  # fmt: skip
                        await asyncio.sleep(0.1)
                assert found["status"] == "completed", (found, agent.said)
                assert set(found["result"].values()) == {"PermissionError"}, found["result"]


@pytest.mark.parametrize(
    ("run_as", "options", "sentence"),
    [
        ("no-such-user", [], "there is no user no-such-user"),
        ("root", [], "--run-as names root"),
        ("nobody", ["--robots", "2"], "names 1 accounts for 2 robots"),
        ("nobody,nobody", ["--robots", "2"], "names an account twice"),
        ("nobody,games", [], "names 2 accounts for 1 robots"),
    ],
)
async def test_what_cannot_be_is_refused_at_the_start(server, home, run_as, options, sentence):
    async with an_agent(server.url, home / "data", run_as, *options) as agent:
        assert await agent.wait() == 78
    assert sentence in agent.said and "Traceback" not in agent.said


async def test_a_data_folder_that_the_account_cannot_reach_is_refused(server, home):
    (home / "closed").mkdir(mode=0o700)
    async with an_agent(server.url, home / "closed" / "data", "nobody") as agent:
        assert await agent.wait() == 78
    assert "User nobody, of --run-as, cannot reach" in agent.said and "--data" in agent.said


def test_an_agent_that_is_not_root_refuses_it(home):
    ended = subprocess.run(
        [reachable_python(), "-m", "robot_agent", "run", "--url", "http://127.0.0.1:9", "--data",
         str(home / "data"), "--run-as", "games"],
        user="nobody", env=environment(RUNWRIGHT_MACHINE_KEY="k"), capture_output=True, text=True,
        cwd="/", check=False,
    )  # fmt: skip
    assert ended.returncode == 78
    assert "--run-as needs an agent that is started as root" in ended.stderr
