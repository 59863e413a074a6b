"""What a shell, a pipe, a signal and a strange terminal may expect of `sdk`."""

import asyncio
import json
import signal

import pytest

from tests.agent.waiting import is_alive, until
from tests.sdk.command import Sdk

SLEEPER = (
    "import subprocess, time\n"
    "def main():\n"
    "    child = subprocess.Popen(['sleep', '99'])\n"
    "    print(child.pid, flush=True)\n"
    "    time.sleep(99)\n"
)


@pytest.fixture
def sdk(tmp_path):
    return Sdk(tmp_path / "home")


@pytest.fixture
async def package(sdk, tmp_path):
    assert (await sdk("init", "greet", cwd=tmp_path)).code == 0
    return tmp_path / "greet"


def write(package, text):
    (package / "main.py").write_text(text)


def processes(package, text):
    project = package / "pyproject.toml"
    head = project.read_text().partition("[tool.runwright")[0]
    project.write_text(f"{head}\n{text}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_the_script_with_all_it_started(package, tmp_path, number):
    (tmp_path / "scratch").mkdir()
    sdk = Sdk(tmp_path / "home", TMPDIR=str(tmp_path / "scratch"))
    write(package, SLEEPER)
    process = await sdk.start("run", cwd=package)
    async with asyncio.timeout(30):
        pid = int(await process.stdout.readline())
        process.send_signal(number)
        _, err = await process.communicate()
    assert process.returncode == 128 + number, err.decode()
    await until(lambda: not is_alive(pid))
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
async def test_a_terminal_without_the_letters_gets_their_numbers(package, tmp_path, encoding):
    sdk = Sdk(tmp_path / "home", PYTHONIOENCODING=encoding)
    write(package, "def main():\n    return {'paid': '\u20ac \U0001f600 \u00e9'}\n")
    told = await sdk("run", "--json", cwd=package)
    assert (told.code, json.loads(told.out)["result"]) == (0, {"paid": "€ \U0001f600 é"})
    write(package, "print('\u20ac \U0001f600')\ndef main():\n    return '\U0001f600'\n")
    said = await sdk("run", cwd=package)
    assert (said.code, "Traceback" in said.err) == (0, False)
    (package / "\U0001f600.py").write_text("if x\n")
    checked = await sdk("check", package)
    # Of ASCII click thinks that nobody chose it, and writes UTF-8.
    shown = "\\U0001f600" if encoding == "cp1252" else "\U0001f600"
    assert (checked.code, checked.out.startswith(f"{shown}.py:1: ")) == (1, True), checked


async def test_a_reader_that_leaves_is_no_error(sdk, package):
    write(package, "print('x\\n' * 500_000)\n")
    process = await sdk.start("run", "main.py", cwd=package)
    async with asyncio.timeout(30):
        await process.stdout.readline()
        process.stdout._transport.close()
        err = await process.stderr.read()
        assert await process.wait() == 141
    assert b"Error" not in err, err
    assert b"Traceback" not in err, err


async def test_the_plan_of_a_process_counts_for_a_run(sdk, package):
    processes(package, '[tool.runwright.processes.greet]\nscript = "main.py:main"\n'
                       'default_parameters = { name = "Grace", times = 2 }\n')  # fmt: skip
    for arguments in ((), ("main.py:main",)):
        told = json.loads((await sdk("run", *arguments, "--json", cwd=package)).out)
        assert told["result"] == {"greeted": "Grace", "times": 2}
    told = json.loads((await sdk("run", "--param", "name=Ada", "--json", cwd=package)).out)
    assert told["result"] == {"greeted": "Ada", "times": 2}


async def test_a_script_run_as_a_whole_says_what_the_process_would_do(sdk, package):
    ended = await sdk("run", "main.py", cwd=package)
    assert (ended.code, "Process greet calls main.py:main" in ended.err) == (0, True)


async def test_a_function_that_is_not_there_is_named_with_those_that_are(sdk, package):
    ended = await sdk("run", "main.py:nope", cwd=package)
    assert (ended.code, "main.py has no function nope; it has main." in ended.err) == (3, True)
    assert "Traceback" not in ended.out + ended.err


async def test_parameters_that_do_not_fit_are_an_error_before_the_job(sdk, package):
    write(package, "from typing import Literal\ndef main(pace: Literal['fast', 1] = 1): ...\n")
    ended = await sdk("run", "--param", "pace=slow", cwd=package)
    assert (ended.code, "'slow' is none of 'fast', 1" in ended.err) == (1, True)
    assert (await sdk("run", "--param", "pace=true", cwd=package)).code == 1
    assert (await sdk("run", "--param", "pace=fast", cwd=package)).code == 0


async def test_numbers_that_json_does_not_know_are_texts_or_refused(sdk, package):
    write(package, "def main(x):\n    return x\n")
    told = json.loads((await sdk("run", "--param", "x=NaN", "--json", cwd=package)).out)
    assert told["result"] == "NaN"
    ended = await sdk("run", "--param", "x=1e999", cwd=package)
    assert (ended.code, "out of range" in ended.err) == (2, True)
    assert (await sdk("run", cwd=package)).code == 1  # x is missing
    (package / "p.json").write_text('{"x": [Infinity]}')
    assert (await sdk("run", "--params-file", "p.json", cwd=package)).code == 2


async def test_a_date_in_the_local_file_is_named(sdk, package):
    (package / "runwright.local.toml").write_text("[assets]\nday = 2026-11-24\n")
    ended = await sdk("run", cwd=package)
    assert (ended.code, "the asset day is not JSON" in ended.err) == (1, True)


async def test_retries_come_from_the_local_file(sdk, package):
    (package / "runwright.local.toml").write_text("retries = 1\n[queues]\nwork = [{}]\n")
    write(package, "from sdk.runtime import queues\n"
                   "def main():\n"
                   "    queue, taken = queues.queue('work'), 0\n"
                   "    while item := queue.take():\n"
                   "        item.fail('this attempt')\n"
                   "        taken += 1\n"
                   "    return taken\n")  # fmt: skip
    told = json.loads((await sdk("run", "--json", cwd=package)).out)
    assert told["result"] == 2


@pytest.mark.parametrize(
    ("table", "says"),
    [("tool = 1", "tool is not a table"), ("[tool]\nrunwright = 1", "runwright is not a table"),
     ("[tool.runwright]\nprocesses = [1]", "processes is not a table"),
     ('[tool.runwright.processes]\nx = "main.py:"', "names no function"),
     ('[tool.runwright.processes]\n"" = "main.py"', "length >= 1")],
)  # fmt: skip
async def test_a_table_of_processes_that_is_none_is_explained(sdk, package, table, says):
    (package / "pyproject.toml").write_text(f'{table}\n[project]\nname="a"\nversion="1"\n')
    if table == "tool = 1":
        (package / "pyproject.toml").write_text("tool = 1\n")
    ended = await sdk("check", package)
    assert (ended.code, says in ended.out) == (1, True), ended


async def test_a_package_may_say_that_it_has_no_process(sdk, package):
    processes(package, "[tool.runwright.processes]\n")
    ended = await sdk("run", cwd=package)
    assert (ended.code, "Say which script" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("url", "says"),
    [("http://[::1", "not the address"), ("http://user:sesame@localhost:1", "name and password"),
     ("https://", "not the address"), ("http://localhost:99999", "not the address"),
     ("http://localhost:1/?x=1", "leave out what follows")],
)  # fmt: skip
async def test_an_address_that_is_none_is_refused(sdk, url, says):
    ended = await sdk("login", url, "--no-browser")
    assert (ended.code, says in ended.err, "sesame" in ended.err) == (1, True, False)


async def test_a_token_that_is_none_is_refused(tmp_path):
    own = {"RUNWRIGHT_URL": "http://localhost:1", "RUNWRIGHT_TOKEN": "rw_api_1\nX: y"}
    ended = await Sdk(tmp_path / "home", **own)("whoami")
    assert (ended.code, "is not a token" in ended.err) == (4, True)


async def test_a_file_of_tokens_that_holds_none_is_named(sdk):
    sdk.home.mkdir()
    (sdk.home / "tokens.json").write_text('{"a": 1}')
    ended = await sdk("login", "http://localhost:1", "--no-browser")
    assert (ended.code, "holds no tokens" in ended.err) == (1, True)


async def test_following_a_server_that_never_answered_ends(tmp_path):
    own = {"RUNWRIGHT_URL": "http://localhost:1", "RUNWRIGHT_TOKEN": "rw_api_1"}
    ended = await Sdk(tmp_path / "home", **own)("logs", "1", "--follow")
    assert (ended.code, "cannot be reached" in ended.err) == (1, True)
