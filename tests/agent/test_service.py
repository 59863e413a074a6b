"""The agent as a service: what is written, whether systemd understands it, when it is installed."""

import asyncio
import dataclasses
import getpass
import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from robot_agent import config, data_folder
from robot_agent.__main__ import main
from robot_agent.exits import AgentExit, Status
from robot_agent.service import install as installing
from robot_agent.service import systemd, tools, units
from robot_agent.service.plan import Plan
from tests.agent.fake_server import serving

GOLDEN = Path(__file__).parent / "golden"
posix = pytest.mark.skipif(sys.platform == "win32", reason="starts processes as systemd does")

LINUX = Plan(
    python=PurePosixPath("/opt/runwright/bin/python"),
    arguments=("--url", "https://robots.example", "--name", "ada 100%", "--robots", "2",
               "--ca-file", "/etc/ssl/our ca.pem", "--health-port", "8471"),
    data=PurePosixPath("/var/lib/runwright-agent"),
    key=PurePosixPath("/etc/runwright/runwright-agent.key"),
    environment=PurePosixPath("/etc/runwright/runwright-agent.env"),
    finish_minutes=10,
)  # fmt: skip
ELSEWHERE = Plan(
    service="other", python=LINUX.python, arguments=("--url", "http://h", "--name", "$HOME"),
    data=PurePosixPath("/srv/robots/a \"b\" \\c"), key=PurePosixPath("/etc/runwright/other.key"),
    user="ada", finish_minutes=120,
)  # fmt: skip
MAC = Plan(
    python=PurePosixPath("/opt/runwright/bin/python"), arguments=LINUX.arguments,
    data=PurePosixPath("/Library/Application Support/Runwright/runwright-agent"),
    key=PurePosixPath("/Library/Application Support/Runwright/runwright-agent.key"),
    variables={"HTTPS_PROXY": "http://proxy:3128"},
)  # fmt: skip
WINDOWS = Plan(
    python=PureWindowsPath(r"C:\Program Files\Runwright\python.exe"),
    arguments=("--url", "https://robots.example", "--name", "R&D <1>", "--health-port", "8471"),
    data=PureWindowsPath(r"C:\Users\Ada L\AppData\Local\runwright-agent"),
    key=PureWindowsPath(r"C:\Users\Ada L\AppData\Local\runwright-agent\machine.key"),
    user=r"DESK\Ada L", needs_desktop=True,
)  # fmt: skip
HOSTILE = Plan(
    service="hostile", python=LINUX.python, user="ada%h",
    arguments=("--url", "http://h/%n", "--name", "100%% $HOME ${HOME} ; \\", "--ca-file",
               "/a 'b' \"c\""),
    data=PurePosixPath("/srv/%H/ü $x"), key=PurePosixPath("/etc/keys of %i/a b.key"),
    environment=PurePosixPath("/etc/50% off.env"),
)  # fmt: skip
WRITTEN = {
    "runwright-agent.service": units.systemd(LINUX),
    "other.service": units.systemd(ELSEWHERE),
    "daemon.plist": units.launchd(MAC).decode(),
    "task.xml": units.windows_task(WINDOWS),
    "service.txt": units.windows_service(WINDOWS) + "\n",
    "environment": units.environment_file({"HTTPS_PROXY": 'http://a:"$\\`b@proxy:3128'}),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_what_the_golden_file_has(name):
    if os.environ.get("WRITE_GOLDEN"):
        (GOLDEN / name).write_text(WRITTEN[name], newline="\n")
    assert WRITTEN[name] == (GOLDEN / name).read_text(), "after a look: WRITE_GOLDEN=1 pytest ..."


def test_the_golden_files_are_those_that_are_written():
    assert {file.name for file in GOLDEN.iterdir()} == set(WRITTEN)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("name", [name for name in WRITTEN if name.endswith(".service")])
def test_systemd_finds_nothing_to_say_about_a_unit(tmp_path, name):
    # Looked at as it is, but for a Python that is here: a missing one is the first thing it says.
    text = WRITTEN[name].replace("/opt/runwright/bin/python", sys.executable)
    (tmp_path / name).write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr + found.stdout) == (0, "")


def read_unit(text):
    """A unit as systemd reads it (systemd.syntax(7), systemd.unit(5), "Specifiers")."""
    lines = text.replace("\\\n", " ").splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    assert not re.search("%[^%]", said["ExecStart"].replace("%%", "").replace("%S/", ""))
    return {name: value.strip().replace("%%", "%") for name, value in said.items()}


def words_of(command):
    """As in systemd.service(5), "Command lines"."""
    words = shlex.shlex(command, posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    return [word.replace("$$", "$") for word in words]


@pytest.mark.parametrize("plan", [LINUX, ELSEWHERE, HOSTILE], ids=lambda plan: plan.service)
def test_a_unit_says_what_was_asked_for_and_nothing_more(plan):
    text = units.systemd(plan)
    said = read_unit(text)
    data = f"%S/{plan.service}" if plan is LINUX else str(plan.data)
    assert words_of(said["ExecStart"]) == plan.command(("--machine-key-fd", "0"), data)
    assert said["StandardInput"] == f"file:{plan.key}" and said["User"] == plan.user
    assert [line for line in text.splitlines() if line.startswith("Exec")] == [
        line for line in text.splitlines() if line.startswith("ExecStart=")
    ]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_expands_nothing_in_what_was_asked_for(tmp_path):
    plan = dataclasses.replace(HOSTILE, user="ada")  # of "ada%h" it says that it is unusual
    text = units.systemd(plan).replace("/opt/runwright/bin/python", sys.executable)
    (tmp_path / "hostile.service").write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "hostile.service")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr + found.stdout) == (0, "")


@pytest.mark.parametrize("end", ["\n", "\r", "\0", "\x1b", "\x85", "\u2028"])
@pytest.mark.parametrize("where", ["service", "user", "data", "key", "argument", "variable"])
def test_no_text_becomes_a_line_of_a_unit(where, end):
    hostile = f"/x{end}ExecStartPre=/bin/evil"
    changed = {
        "argument": {"arguments": ("--name", hostile)},
        "variable": {"variables": {"HTTP_PROXY": hostile}},
        "data": {"data": PurePosixPath(hostile)},
        "key": {"key": PurePosixPath(hostile)},
    }.get(where, {where: hostile[1:]})
    with pytest.raises(AgentExit) as refused:
        dataclasses.replace(LINUX, **changed)
    assert refused.value.status is Status.CONFIG and "control character" in str(refused.value)
    assert end not in str(refused.value)


def test_a_service_whose_scripts_have_accounts_is_roots_and_its_folder_can_be_passed(monkeypatch):
    monkeypatch.setattr(config, "default_data", lambda: Path("/nowhere"))
    settings = config.load({"url": "http://h", "data": "/nowhere", "run_as": "ada"}, {}, "host")
    plan = installing.plan_of(settings, systemd, "runwright-agent", None, False)
    unit = units.systemd(plan)
    assert "\nUser=root\n" in unit and "--run-as ada" in unit
    assert "\nStateDirectoryMode=0711\n" in unit
    with pytest.raises(AgentExit, match="needs an agent of root"):
        installing.plan_of(settings, systemd, "runwright-agent", "ada", False)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "a%n", "-a", "é", "a\\", "a@b"])
def test_a_name_of_a_service_leads_to_no_other_file(name):
    with pytest.raises(AgentExit, match="is not a service name"):
        dataclasses.replace(LINUX, service=name)


@pytest.mark.parametrize("user", ["", "-x", "a:b", "a/b", " a", "a\\"])
def test_a_user_is_a_name(user):
    with pytest.raises(AgentExit):
        units.systemd(dataclasses.replace(LINUX, user=user))


@pytest.mark.parametrize("word", ["%PATH%", "x%USERNAME%y", "$(Arg0)"])
def test_what_windows_would_expand_is_refused(word):
    plan = dataclasses.replace(WINDOWS, arguments=("--name", word))
    with pytest.raises(AgentExit, match="Windows would expand"):
        units.windows_task(plan)
    if "%" in word:
        with pytest.raises(AgentExit, match="Windows would expand"):
            units.windows_service(plan)
    units.windows_task(dataclasses.replace(WINDOWS, arguments=("--name", "100% sure")))


def test_every_status_that_ends_a_service_for_good_is_in_the_unit():
    line = next(li for li in WRITTEN["other.service"].splitlines() if "RestartPrevent" in li)
    prevented = {int(word) for word in line.partition("=")[2].split()}
    assert prevented == {0, 73, 77, 78} and Status.SOFTWARE not in prevented


def test_what_launchd_reads_is_a_plist_and_what_windows_reads_is_xml():
    described = plistlib.loads(units.launchd(MAC))
    assert described["ProgramArguments"][0] == "/opt/runwright/bin/python"
    assert described["UserName"] == "runwright" and described["ExitTimeOut"] == 690
    task = ElementTree.fromstring(WRITTEN["task.xml"].partition("\n")[2])
    arguments = task.findtext(".//{*}Arguments")
    assert '--name "R&D <1>"' in arguments and task.findtext(".//{*}UserId") == r"DESK\Ada L"


def test_a_service_says_all_that_was_said_wherever_it_was_said(tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text("job_memory_mib = 512\nrobots = 3")
    settings = config.load(
        {"config": str(file), "url": "http://h", "machine_key_file": "/secret"},
        {"RUNWRIGHT_NAME": "bert"}, "host",
    )  # fmt: skip
    assert installing.arguments_of(settings) == (
        "--url", "http://h", "--name", "bert", "--robots", "3", "--job-memory-mib", "512",
        "--health-port", "0",
    )  # fmt: skip


class Site:
    """A machine with a systemd of our own, and a server."""

    def __init__(self, home, server, port):
        self.home, self.server, self.port = home, server, port
        self.key_file = home / "machine.key"
        self.key_file.write_text("good-key")

    async def install(self, *options):
        return await self.say(
            "install", "--url", self.server.url, "--name", "bert", "--user", getpass.getuser(),
            "--machine-key-file", str(self.key_file), "--health-port", str(self.port), *options,
        )  # fmt: skip

    async def say(self, *words):
        ended = await asyncio.to_thread(CliRunner().invoke, main, ["service", *words])
        if ended.exception and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        return ended.exit_code, ended.output

    @property
    def log(self):
        return (self.home / "log").read_text()


@pytest.fixture
async def site(tmp_path, monkeypatch, unused_tcp_port):
    for folder in ("units", "settings", "bin"):
        (tmp_path / folder).mkdir()
    fake = tmp_path / "bin" / "systemctl"
    script = Path(__file__).with_name("fake_systemctl.py")
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SYSTEMCTL_HOME", str(tmp_path))
    monkeypatch.setattr(systemd, "UNITS", tmp_path / "units")
    monkeypatch.setattr(systemd, "SETTINGS", tmp_path / "settings")
    monkeypatch.setattr(systemd, "AT_WORK", tmp_path)
    monkeypatch.setattr(systemd, "_can", lambda *_: True)
    monkeypatch.setattr(systemd, "last_words", lambda _: (tmp_path / "log").read_text())
    monkeypatch.setattr(tools, "user_id", lambda: 0)
    async with serving() as server:
        site = Site(tmp_path, server, unused_tcp_port)
        yield site
        await site.say("stop")


@posix
async def test_it_is_installed_once_the_server_has_heard_the_robot(site):
    code, said = await site.install()
    assert (code, said) == (0, f"Installed: runwright-agent works, and {site.server.url} has heard "
                               "bert.\n")  # fmt: skip
    assert site.server.beats and len(site.server.registered) == 2  # the look at the key, the agent
    key = site.home / "settings" / "runwright-agent.key"
    assert key.read_text() == "good-key\n" and key.stat().st_mode & 0o077 == 0
    assert "good-key" not in (site.home / "units" / "runwright-agent.service").read_text()
    code, said = await site.say("status", "--health-port", str(site.port), "--json")
    told = json.loads(said)
    assert (code, told["running"], told["agent"]["healthy"]) == (0, True, True)

    assert (await site.install())[0] == 0  # again, over one that is at work

    assert (await site.say("stop"))[0] == 0
    assert (await site.say("status"))[0] == 3
    assert (await site.say("start"))[0] == 0
    assert (await site.say("uninstall"))[0] == 0
    assert list((site.home / "units").iterdir()) == list((site.home / "settings").iterdir()) == []
    code, said = await site.say("status")
    assert (code, said) == (3, "There is no service runwright-agent.\n")


@posix
async def test_a_server_that_does_not_hear_the_robot_is_said_and_it_goes_on_trying(site):
    site.server.failures["/heartbeat"] = [503] * 1000
    code, said = await site.install("--wait-seconds", "2")
    assert code == 75
    assert "is installed and started, but after 2 s the server has not seen bert" in said
    assert "It goes on trying." in said and "Installed" not in said
    site.server.failures.clear()
    await site.server.until(lambda: site.server.beats)


@posix
async def test_an_agent_that_ends_is_said_with_its_status_and_its_words(site):
    with data_folder.opened(site.home / "data", 0):
        code, said = await site.install("--data", str(site.home / "data"))
    assert code == 73 and "but ended with status 73: another agent uses its data folder" in said
    assert "give this one a folder of its own" in said and "Traceback" not in said


@posix
@pytest.mark.parametrize(
    ("options", "trouble", "sentence"),
    [
        (["--url", "http://127.0.0.1:9"], {}, "cannot be reached"),
        (["--url", "ftp://server"], {}, "must begin with http"),
        (["--ca-file", "/no/such.pem"], {}, "The CA file /no/such.pem cannot be read"),
        (["--machine-key-file", "/no/such.key"], {}, "/no/such.key cannot be read"),
        (["--min-free-mib", "999999999"], {}, "no job is taken below"),
        (["--desktop"], {}, "A service has no desktop"),
        (["--name", "ada\nExecStartPre=/bin/evil"], {}, "has a line break or control character"),
        (["--service", "../../evil"], {}, "is not a service name"),
        ([], {"key": "bad-key"}, "does not accept the machine key"),
        ([], {"user_id": 1000}, "Only root may install a service: use sudo."),
        ([], {"version": "systemd 235 (235)"}, "systemd is 235 here, and 236 is needed"),
        ([], {"version": "no systemd"}, "was not started by systemd"),
        ([], {"can": False}, "install Runwright where every user may read it"),
        ([], {"taken": 409}, "Robot bert cannot register"),
    ],
)
async def test_each_failure_has_its_own_sentence_and_installs_nothing(
    site, monkeypatch, options, trouble, sentence
):
    site.key_file.write_text(trouble.get("key", "good-key"))
    monkeypatch.setattr(tools, "user_id", lambda: trouble.get("user_id", 0))
    monkeypatch.setattr(systemd, "_can", lambda *_: trouble.get("can", True))
    monkeypatch.setenv("SYSTEMCTL_VERSION", trouble.get("version", "systemd 252"))
    if "taken" in trouble:
        site.server.failures["/register-robot"] = [trouble["taken"]]
    code, said = await site.install(*options)
    assert code == 78 and sentence in said and "Traceback" not in said
    assert list((site.home / "units").iterdir()) == []


@posix
async def test_a_port_of_another_agent_is_told_before_anything_is_written(site):
    assert (await site.install())[0] == 0
    code, said = await site.install("--service", "second")
    assert code == 78 and f"already answers at port {site.port}" in said
    assert not (site.home / "units" / "second.service").exists()


@posix
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="becomes another user")
def test_whether_a_user_can_is_asked_as_that_user(tmp_path):
    secret = tmp_path / "secret"
    secret.touch(0o600)
    assert systemd._can("nobody", "true")
    assert not systemd._can("nobody", "test", "-r", str(secret))
    assert not systemd._can("nobody", "/no/such/program")
