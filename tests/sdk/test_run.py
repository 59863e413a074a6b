"""`sdk run`, `sdk check` and `sdk.testing`: a package is tried where it is written."""

import asyncio
import json
import os
import sys

import pytest

from tests.sdk.command import Sdk

LOCAL = """
[assets]
limit = 7
[credentials.erp]
username = "robot"
password = "sesame"
[queues]
invoices = [{ n = 1 }, { n = 2 }]
"""


@pytest.fixture
def sdk(tmp_path):
    return Sdk(tmp_path / "home")


@pytest.fixture
async def package(sdk, tmp_path):
    assert (await sdk("init", "greet", cwd=tmp_path)).code == 0
    return tmp_path / "greet"


def write(package, text):
    (package / "main.py").write_text(text)


async def test_what_init_makes_runs_here(sdk, package):
    ended = await sdk("run", "--param", "name=Ada", cwd=package)
    assert (ended.code, ended.out) == (0, "Hello, Ada!\n")
    assert 'Result: {"greeted": "Ada", "times": 1}' in ended.err
    told = await sdk("run", "--json", cwd=package)
    assert json.loads(told.out)["status"] == "completed"
    assert "Hello, world!" in told.err


async def test_assets_and_queues_come_from_a_file(sdk, package):
    (package / "runwright.local.toml").write_text(LOCAL)
    write(package, "from sdk.runtime import assets, credentials as logins, queues\n"
                   "def main():\n"
                   "    queue, n = queues.queue('invoices'), []\n"
                   "    while item := queue.take():\n"
                   "        with item:\n"
                   "            n.append(item.payload['n'])\n"
                   "    return [assets.get('limit'), logins.get('erp').username, n]\n")  # fmt: skip
    told = json.loads((await sdk("run", "--json", cwd=package)).out)
    assert told["result"] == [7, "robot", [1, 2]]


async def test_it_is_run_from_what_would_be_published(sdk, package):
    (package / "data.txt").write_text("there")
    (package / "left.txt").write_text("out")
    (package / ".gitignore").write_text("left.txt\n")
    write(package, "import glob\ndef main():\n    return glob.glob('*.txt')\n")
    told = json.loads((await sdk("run", "--json", cwd=package)).out)
    assert told["result"] == ["data.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no executable bit")
async def test_a_program_of_the_package_can_be_run(sdk, package):
    (package / "tool").write_text("#!/bin/sh\necho from the tool\n")
    (package / "tool").chmod(0o755)
    write(package, "import subprocess\ndef main():\n    subprocess.run('./tool', check=True)\n")
    assert (await sdk("run", cwd=package)).out == "from the tool\n"


async def test_no_secret_of_the_shell_reaches_the_script(package, tmp_path):
    sdk = Sdk(tmp_path / "home", SECRET_OF_MINE="sesame")
    write(package, "import os\ndef main():\n    return 'SECRET_OF_MINE' in os.environ\n")
    assert json.loads((await sdk("run", "--json", cwd=package)).out)["result"] is False


@pytest.mark.parametrize(
    ("text", "says"),
    [("raise SystemExit(7)", "exited with status 7"),
     ("import sys; sys.exit('user locked')", "user locked. The script exited with status 1."),
     ("raise ValueError('no customer')", "ValueError: no customer. The script exited"),
     ("def main():\n    raise ValueError('no amount')", "ValueError: no amount")],
)  # fmt: skip
async def test_a_script_that_fails_says_so_as_a_robot_would(sdk, package, text, says):
    write(package, text)
    ended = await sdk("run", cwd=package)
    assert (ended.code, says in ended.err.splitlines()[-1]) == (3, True)


async def test_a_script_that_is_not_there_is_5(sdk, package):
    assert (await sdk("run", "none.py", cwd=package)).code == 5
    assert (await sdk("run", "../../x.py", cwd=package)).code == 5


async def test_a_local_file_that_cannot_be_read_is_named(sdk, package):
    (package / "runwright.local.toml").write_text("[assest]\n")
    ended = await sdk("run", cwd=package)
    assert (ended.code, "runwright.local.toml" in ended.err) == (1, True)


async def test_all_mistakes_are_told_at_once_with_file_and_line(sdk, package):
    assert (await sdk("check", package)).code == 0
    write(package, "def other():\n    pass\n")
    (package / "broken.py").write_text("x = 1\nif x\n")
    (package / "MAIN.py").write_text("")
    with (package / "pyproject.toml").open("a") as file:
        file.write('missing = "none.py"\n')
    ended = await sdk("check", package)
    lines = ended.out.splitlines()
    assert ended.code == 1
    assert len(lines) == 4
    assert any(line.startswith("broken.py:2: ") for line in lines)
    assert any("wants the function main; there is other" in line for line in lines)
    assert any("none.py: no such file" in line for line in lines)
    assert any("for the same name as" in line for line in lines)
    assert len(json.loads((await sdk("check", package, "--json")).out)) == 4


async def test_a_folder_around_a_project_is_a_mistake(sdk, package, tmp_path):
    ended = await sdk("check", tmp_path)
    assert (ended.code, "all of it is in the folder 'greet'" in ended.out) == (1, True), ended.out


async def test_a_script_that_is_too_large_to_be_read_is_a_warning(sdk, package):
    (package / "big.py").write_text("# " + "x" * 300_000)
    (package / "deep.py").write_text("x = " + "a + " * 50_000 + "a")
    ended = await sdk("check", package)
    assert ended.code == 0, ended.err
    deep, big = sorted(ended.out.splitlines(), reverse=True)
    assert "big.py: It is too large, or has too much in it" in big
    assert "deep.py: It is nested too deeply" in deep
    found = json.loads((await sdk("check", package, "--json")).out)
    assert [mistake["is_warning"] for mistake in found] == [True, True]


async def test_a_package_is_tested_with_an_orchestrator_in_memory(package):
    write(package, "from sdk.runtime import assets, job, queues\n"
                   "def main():\n"
                   "    with queues.queue('invoices').take() as item:\n"
                   "        item.result = assets.get('rate') * job.parameters['n']\n")  # fmt: skip
    (package / "conftest.py").write_text('pytest_plugins = ["sdk.testing.fixtures"]\n')
    (package / "test_main.py").write_text(
        "from main import main\n"
        "def test_it(orchestrator, job_parameters):\n"
        "    orchestrator.assets['rate'] = 3\n"
        "    item = orchestrator.add_item('invoices', {})\n"
        "    job_parameters(n=2)\n"
        "    main()\n"
        "    assert (item.status, item.result) == ('completed', 6)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package,
        env={**os.environ, "PYTHONPATH": Sdk(package).env["PYTHONPATH"]},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert (process.returncode, b"1 passed" in out) == (0, True), out


async def test_too_many_files_are_told_before_anything_is_sent(sdk, package):
    (package / "many").mkdir()
    for number in range(10_000):
        (package / f"many/{number}").touch()
    ended = await sdk("check", package)
    assert (ended.code, "more than 10,000 entries" in ended.out) == (1, True)
