"""What a package needs is there when its script starts: built once, shared, and thrown away."""

import asyncio
import io
import json
import os
import sys
import time
import zipfile

import pytest

from robot_agent.environments import build, shelf, uv
from robot_agent.environments.shelf import READY, Shelf
from robot_agent.exits import JobFailed
from tests.agent.fake_server import serving
from tests.agent.package_index import an_index
from tests.agent.running_agent import an_agent

SCRIPT = "import tin; print(tin.ORE, flush=True)"
BLOCK = '# /// script\n# dependencies = ["tin"]\n# ///\n'
PROJECT = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\n'


@pytest.fixture
async def index(monkeypatch):
    async with an_index() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        index.add("tin", "1.0", tin="ORE = 'old'")
        index.add("tin", "2.0", tin="ORE = 'new'")
        yield index


@pytest.fixture
async def make_shelf(tmp_path):
    async def make(**limits):
        made = Shelf(tmp_path / "environments", **limits)
        await made.open()
        return made

    return make


@pytest.fixture
async def a_shelf(make_shelf):
    return await make_shelf()


@pytest.fixture
def package(tmp_path):
    """Write a package; gives what `lend` takes."""
    counter = iter(range(100))

    def write(script=SCRIPT, **files):
        number = next(counter)
        work = tmp_path / f"work {number}"
        work.mkdir()
        (work / "main.py").write_text(script)
        for name, text in files.items():
            (work / name.replace("__", ".")).write_text(text)
        return f"sha {number}", work, work / "main.py"

    return write


async def test_a_shell_can_activate_it(a_shelf, package):
    async with a_shelf.lend(*package("pass")) as environment:
        shell = await asyncio.create_subprocess_shell(
            f". {environment.python.parent}/activate && command -v python",
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await shell.communicate()
    assert output.decode().strip() == str(environment.python)


async def test_a_folder_that_no_environment_can_be_in_is_told(tmp_path, package):
    shelf = Shelf(tmp_path / "a:b")
    await shelf.open()
    with pytest.raises(JobFailed, match="cannot be built"):
        async with shelf.lend(*package("pass")):
            pass


async def said(environment, code):
    """What a Python of that environment says."""
    process = await asyncio.create_subprocess_exec(
        str(environment.python), "-c", code, cwd=environment.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate()
    return output.decode().strip() or errors.decode().strip().splitlines()[-1]


def with_hash(index):
    return f"tin==1.0 --hash=sha256:{index.hash_of('tin', '1.0')}"


async def test_each_way_to_say_what_is_needed_is_understood(index, a_shelf, package):
    ways = [
        {"requirements__txt": "tin==1.0"},
        {"requirements__lock": with_hash(index), "requirements__txt": "tin==2.0"},
        {"script": BLOCK.replace('"tin"', '"tin<2"') + SCRIPT},
        {"pyproject__toml": PROJECT + 'dependencies = ["tin==1.0"]'},
    ]
    for way in ways:
        async with a_shelf.lend(*package(**way)) as environment:
            assert await said(environment, "import tin; print(tin.ORE)") == "old", way


async def test_a_lock_counts_whatever_else_there_is(index, a_shelf, package, tmp_path):
    project = PROJECT + 'dependencies = ["tin"]'
    sha256, work, script = package(pyproject__toml=project, requirements__txt="tin==1.0")
    await uv.run("lock", cwd=work, cache=tmp_path / "c")
    async with a_shelf.lend(sha256, work, script) as environment:
        assert await said(environment, "import tin; print(tin.ORE)") == "new"
    await uv.run("export", "--format", "pylock.toml", "-o", "pylock.toml", cwd=work,
                 cache=tmp_path / "c")  # fmt: skip
    (work / "uv.lock").unlink()
    async with a_shelf.lend("other", work, script) as environment:
        assert await said(environment, "import tin; print(tin.ORE)") == "new"


async def test_a_new_version_of_a_package_needs_the_same_environment(a_shelf, package, tmp_path,
                                                                     index):  # fmt: skip
    folders = []
    for version in ("1", "2"):
        project = PROJECT.replace('"1"', f'"{version}"') + 'dependencies = ["tin"]'
        wanted = package(pyproject__toml=project)
        await uv.run("lock", cwd=wanted[1], cache=tmp_path / "c")
        async with a_shelf.lend(*wanted) as environment:
            folders.append(environment.folder)
    assert folders[0] == folders[1]


async def test_nothing_of_the_agent_is_in_it_but_what_scripts_import(a_shelf, package):
    async with a_shelf.lend(*package()) as environment:
        assert "No module named 'aiohttp'" in await said(environment, "import aiohttp")
        assert "No module named 'sdk.contract'" in await said(environment, "import sdk.contract")
        assert await said(environment, "from sdk.runtime import job; print('there')") == "there"


async def test_what_the_package_brings_is_found_before_what_is_ours(index, a_shelf, package):
    index.add("sdk", "1.0", sdk="MINE = True")
    async with a_shelf.lend(*package(requirements__txt="sdk")) as environment:
        assert await said(environment, "import sdk; print(sdk.MINE)") == "True"


async def test_two_who_need_the_same_build_it_once(index, a_shelf, package, monkeypatch):
    built = []

    async def counted(folder, *args, build=build.build, **kwargs):
        built.append(folder)
        await build(folder, *args, **kwargs)

    monkeypatch.setattr(shelf.build, "build", counted)

    async def use(files):
        async with a_shelf.lend(*package(**files)) as environment:
            return environment.folder

    first, second, third = await asyncio.gather(
        *(use(files) for files in [{"requirements__txt": "tin"}] * 2 + [{}])
    )
    assert first == second != third and len(built) == 2
    assert await use({"requirements__txt": "tin"}) == first and len(built) == 2


async def test_a_build_that_was_begun_for_a_stopped_job_is_done_again(
    index, a_shelf, package, monkeypatch
):
    wanted = package(requirements__txt="tin"), package(requirements__txt="tin")
    under_way = asyncio.Event()

    async def slow(folder, needs, work, *args, build=build.build, **kwargs):
        under_way.set()
        while work == wanted[0][1] and (work / "requirements.txt").exists():
            await asyncio.sleep(0.02)
        await build(folder, needs, work, *args, **kwargs)

    monkeypatch.setattr(shelf.build, "build", slow)

    async def use(package):
        async with a_shelf.lend(*package) as environment:
            return await said(environment, "import tin; print(tin.ORE)")

    stopped = asyncio.create_task(use(wanted[0]))
    await under_way.wait()
    other = asyncio.create_task(use(wanted[1]))
    stopped.cancel()
    (wanted[0][1] / "requirements.txt").unlink()  # its folder is removed
    assert await other == "new"


async def test_a_build_that_fails_says_what_uv_says(index, a_shelf, package, monkeypatch):
    address = index.url.replace("http://", "http://user:secret-word@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", address)
    with pytest.raises(JobFailed, match=r"requirements\.txt.*cannot be built") as failed:
        async with a_shelf.lend(*package(requirements__txt="unobtainium")):
            pass
    assert failed.value.reason == "environment_failed"
    assert "unobtainium" in str(failed.value) and "secret-word" not in str(failed.value)
    assert not list(a_shelf._folder.glob("*.part"))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"requirements__txt": "tin==1.0 --hash=sha256:" + 64 * "0"}, "(?i)hash"),
        ({"pyproject__toml": PROJECT.replace("3.11", "3.99")}, "asks for Python '>=3.99'"),
        ({"pyproject__toml": "[project"}, r"pyproject\.toml cannot be read"),
        ({"uv__lock": "version = [", "pyproject__toml": PROJECT}, r"uv\.lock cannot be read"),
        ({"script": BLOCK + "\n" + BLOCK}, "2 blocks"),
        ({"script": BLOCK.replace("[", "[[")}, "cannot be read"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(
    index, a_shelf, package, files, words
):
    with pytest.raises(JobFailed, match=words) as failed:
        async with a_shelf.lend(*package(**files)):
            pass
    assert failed.value.reason == "environment_failed"


async def test_off_line_what_was_built_or_fetched_before_works(index, a_shelf, package):
    async with a_shelf.lend(*package(requirements__txt="tin==1.0")):
        pass
    await index.stop()
    for files in ({"requirements__txt": "tin==1.0"}, {"requirements__txt": "tin == 1.0  # same"}):
        async with a_shelf.lend(*package(**files)) as environment:
            assert await said(environment, "import tin; print(tin.ORE)") == "old"


async def test_no_file_is_shared_with_another_environment(index, a_shelf, package):
    async with a_shelf.lend(*package(requirements__txt="tin")) as environment:
        modules = list(environment.folder.rglob("tin.py"))
    assert [file.stat().st_nlink for file in modules] == [1]


async def test_the_oldest_that_nobody_uses_go_first(index, make_shelf, package):
    small = await make_shelf(most_bytes=1)
    async with small.lend(*package(requirements__txt="tin==1.0")) as in_use:
        async with small.lend(*package(requirements__txt="tin==2.0")) as other:
            assert in_use.python.is_file() and other.python.is_file()
        async with small.lend(*package()):
            assert in_use.python.is_file() and not other.folder.exists()
    assert not list(small._folder.glob("*.part"))


async def test_what_was_not_used_for_long_goes_at_the_next_start(index, make_shelf, package):
    first = await make_shelf(unused_days=30)
    async with first.lend(*package()) as old:
        pass
    async with first.lend(*package(requirements__txt="tin")) as fresh:
        pass
    month_ago = time.time() - 31 * 24 * 3600
    os.utime(old.folder / READY, (month_ago, month_ago))
    (first._folder / "half-built-1234.part").mkdir()
    await make_shelf(unused_days=30)
    assert not old.folder.exists() and fresh.python.is_file()
    assert not list(first._folder.glob("*.part"))


async def test_one_whose_python_is_gone_is_built_anew(a_shelf, package):
    async with a_shelf.lend(*package()) as environment:
        pass
    environment.python.unlink()
    async with a_shelf.lend(*package()) as environment:
        assert await said(environment, "print('there')") == "there"


async def test_a_job_runs_in_the_environment_of_its_package(index, tmp_path, monkeypatch):
    script = "import sys, tin, subprocess\nprint(tin.ORE, sys.prefix, flush=True)\n"
    script += "subprocess.run(['python', '-c', 'import tin; print(tin.ORE)'])"
    async with serving() as server, an_agent(server, tmp_path, monkeypatch):
        server.give("", content=an_archive(main=script, requirements="tin==1.0"))
        await server.until(lambda: server.reports)
        server.give("", content=an_archive(main=script, requirements="unobtainium"))
        await server.until(lambda: len(server.reports) == 2)
    ran, failed = server.reports
    assert (ran["status"], failed["reason"]) == ("completed", "environment_failed"), server.reports
    assert failed["started"] == "no" and "unobtainium" in failed["error_message"]
    first, second = server.log.decode().splitlines()
    assert first.startswith(f"old {tmp_path / 'environments'}{os.sep}") and second == "old"


def an_archive(main, requirements):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        package.writestr("main.py", main)
        package.writestr("requirements.txt", requirements)
    return content.getvalue()


def test_uv_comes_with_the_agent():
    assert uv.program().startswith(str(sys.prefix))


async def test_prepare_builds_what_jobs_will_need(index, package, tmp_path, make_shelf):
    _, work, _ = package(requirements__txt="tin==1.0")
    archive = tmp_path / "p_1.0.0.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in work.iterdir():
            zipped.write(file, file.name)
    for source in (work, archive):
        prepare = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "robot_agent", "prepare", "--json",
            "--data", str(tmp_path), str(source), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await prepare.communicate()
        assert prepare.returncode == 0
        [built] = json.loads(output)
    asked = list(index.asked)
    lender = await make_shelf()
    async with lender.lend("sha256", work, work / "main.py") as environment:
        assert environment.folder.name == built["environment"]
    assert index.asked == asked


async def test_prepare_says_what_cannot_be_built(index, package, tmp_path):
    _, work, _ = package(requirements__txt="unobtainium")
    prepare = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "robot_agent", "prepare", "--data", str(tmp_path), str(work),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await prepare.communicate()
    assert prepare.returncode == 78 and b"unobtainium" in errors
