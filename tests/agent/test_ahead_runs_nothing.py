"""Before somebody may start a job, nothing of a package runs on a robot."""

import subprocess
import sys

import pytest

from robot_agent.environments import install
from robot_agent.environments.shelf import Shelf
from robot_agent.exits import JobFailed
from tests.agent.fake_server import serving
from tests.agent.local_packages import a_library, a_source, zipped
from tests.agent.package_index import an_index
from tests.agent.running_agent import an_agent
from tests.agent.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes pipes")
PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "mark"


@pytest.fixture
async def index(monkeypatch, mark, tmp_path):
    """Has a wheel whose .pth file is code, and a source that is built by code of its own."""
    async with an_index() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        index.add(
            "tin", "1.0", tin="ORE = 1", pth=f"import os; open({str(mark)!r}, 'a').write('x')"
        )
        a_library(tmp_path / "source", "zinc", {"zinc.py": "ORE = 2"}, mark=mark)
        index.wheels["zinc-1.0.tar.gz"] = a_source(tmp_path / "source", "zinc-1.0")
        yield index


@pytest.fixture
async def a_shelf(tmp_path):
    shelf = Shelf(tmp_path / "environments")
    await shelf.open()
    return shelf


def a_package(tmp_path, mark, files):
    work = tmp_path / "work"
    a_library(work / "lib", "lib", {"lib.py": ""}, mark=mark)
    (work / "main.py").write_text(files.pop("main.py", "pass"))
    for name, text in files.items():
        (work / name).write_text(text)
    return "sha", work, work / "main.py"


def a_repository(folder):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


async def test_wheels_are_installed_and_their_python_is_not_started(
    index, a_shelf, tmp_path, mark, monkeypatch
):
    monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
    settings = PROJECT + "[tool.uv]\ncompile-bytecode = true\nno-build = false\n"
    wanted = a_package(tmp_path, mark, {"requirements.txt": "tin", "pyproject.toml": settings})
    async with a_shelf.lend(*wanted, may_build=False) as environment:
        assert list(environment.folder.rglob("tin.pth"))
        assert not mark.exists()
        done = subprocess.run([str(environment.python), "-c", "import tin"], check=False)
        assert done.returncode == 0 and mark.exists()  # such a Python would have run it


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "zinc"},
        {"requirements.txt": "--no-binary :all:\nzinc"},
        {"requirements.txt": "--no-binary zinc\nzinc"},
        {"requirements.txt": "zinc", "uv.toml": 'no-binary-package = ["zinc"]'},
        {"requirements.txt": "zinc", "uv.toml": '[pip]\nno-binary = ["zinc"]'},
        {"pyproject.toml": PROJECT + 'dependencies = ["zinc"]\n[tool.uv]\n'
                           'no-binary-package = ["zinc"]'},
        {"main.py": '# /// script\n# dependencies = ["zinc"]\n# [tool.uv]\n'
                    '# no-binary-package = ["zinc"]\n# ///\n'},
        {"requirements.txt": "./lib"},
        {"requirements.txt": "-e ./lib"},
        {"requirements.txt": "lib @ file:lib"},
        {"requirements.txt": "lib @ git+file://{work}/lib"},
        {"requirements.txt": "tin\nzinc @ {index}/files/zinc-1.0.tar.gz"},
        {"pyproject.toml": PROJECT + 'dependencies = ["zinc"]\n[tool.uv]\nno-build = false'},
        {"pyproject.toml": PROJECT + 'dependencies = ["lib"]\n[tool.uv.sources]\n'
                           'lib = {{ path = "lib", editable = true }}'},
        {"pyproject.toml": PROJECT + 'dependencies = []\n[build-system]\nrequires = []\n'
                           'build-backend = "backend"\nbackend-path = ["lib"]'},
        {"main.py": '# /// script\n# dependencies = ["zinc"]\n# ///\n'},
        {"main.py": '# /// script\n# dependencies = ["lib"]\n# [tool.uv.sources]\n'
                    '# lib = {{ path = "lib", editable = true }}\n# ///\n'},
        {"main.py": '# /// script\n# requires-python = "{work}/evil"\n# ///\n',
         "pyproject.toml": PROJECT.replace(">=3.11", "./evil")},
    ],
)  # fmt: skip
async def test_what_would_take_a_build_waits_for_a_job(index, a_shelf, tmp_path, mark, files):
    work, url = tmp_path / "work", index.url.removesuffix("/simple/")
    files = {name: text.format(work=work, index=url) for name, text in files.items()}
    if "lib @ git" in files.get("requirements.txt", ""):
        a_library(work / "lib", "lib", {"lib.py": ""}, mark=mark)
        a_repository(work / "lib")
    wanted = a_package(tmp_path, mark, files)
    evil = work / "evil"
    evil.write_text(f"#!/bin/sh\necho ran >> {mark}\n")
    evil.chmod(0o755)
    with pytest.raises(JobFailed):
        async with a_shelf.lend(*wanted, may_build=False):
            pass
    assert not mark.exists()
    assert not list((tmp_path / "environments").glob("*.part"))


async def test_what_the_agent_has_built_from_source_waits_for_a_job(
    index, a_shelf, tmp_path, mark, monkeypatch
):
    monkeypatch.setenv("UV_NO_BINARY_PACKAGE", "zinc")
    with pytest.raises(JobFailed, match="no-binary"):
        async with a_shelf.lend(
            *a_package(tmp_path, mark, {"requirements.txt": "zinc"}), may_build=False
        ):
            pass
    assert not mark.exists()


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "zinc @ {index}/${{UV_INDEX_CORP_PASSWORD}}/zinc-1.0.tar.gz"},
        {"requirements.txt": "--index-url {index}/${{UV_INDEX_CORP_PASSWORD}}/\nzinc"},
        {"pyproject.toml": PROJECT + 'dependencies = ["zinc @ {index}/${{UV_INDEX_CORP_PASSWORD}}'
                           '/zinc-1.0-py3-none-any.whl"]'},
        {"main.py": '# /// script\n# dependencies = ["zinc @ {index}/$\\u007b'
                    'UV_INDEX_CORP_PASSWORD}}/zinc-1.0-py3-none-any.whl"]\n# ///\n'},
        {"requirements.txt": "zinc",
         "uv.toml": '[[index]]\nname = "corp"\nurl = "{index}/simple/"'},
    ],
)  # fmt: skip
async def test_no_password_for_an_index_leaves_before_a_job(
    index, a_shelf, tmp_path, mark, monkeypatch, files
):
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "s3cret")
    url = index.url.removesuffix("/simple/")
    files = {name: text.format(index=url) for name, text in files.items()}
    with pytest.raises(JobFailed, match="waits"):
        async with a_shelf.lend(*a_package(tmp_path, mark, files), may_build=False):
            pass


@pytest.mark.parametrize("wants", ["zinc", "lib @ git+file://{work}/lib"])
async def test_a_job_builds_what_others_may_not(index, a_shelf, tmp_path, mark, wants):
    wanted = a_package(tmp_path, mark, {"requirements.txt": wants.format(work=tmp_path / "work")})
    a_repository(tmp_path / "work/lib")
    async with a_shelf.lend(*wanted):
        assert mark.exists()


async def test_an_environment_that_a_job_has_built_is_found(index, a_shelf, tmp_path, mark):
    wanted = a_package(tmp_path, mark, {"requirements.txt": "-e ./lib"})
    async with a_shelf.lend(*wanted) as built:
        pass
    async with a_shelf.lend(*wanted, may_build=False) as found:
        assert found.folder == built.folder


async def test_a_second_try_off_line_starts_no_python_with_something_installed(
    index, a_shelf, tmp_path, mark, monkeypatch
):
    tried = []

    async def half(*command, cwd, cache, run=install.uv.run, **variables):
        tried.append(command)
        await run(*command, cwd=cwd, cache=cache, **variables)
        raise install.UvFailed("the disk is full")

    monkeypatch.setattr(install.uv, "run", half)
    wanted = a_package(tmp_path, mark, {"requirements.txt": "tin"})
    with pytest.raises(JobFailed, match="the disk is full"):
        async with a_shelf.lend(*wanted, may_build=False):
            pass
    assert len(tried) == 1 and not mark.exists()


@pytest.mark.parametrize("may_build", [True, False])
async def test_the_server_decides(index, tmp_path, monkeypatch, caplog, mark, may_build):
    caplog.set_level("INFO")
    wanted = a_package(tmp_path, mark, {"requirements.txt": "./lib"})
    async with serving() as server:
        server.change(zipped(wanted[1]), may_build=may_build)
        async with an_agent(server, tmp_path / "agent", monkeypatch):
            expected = "is prepared." if may_build else "waits for a job"
            await until(lambda: expected in caplog.text)
    assert mark.exists() is may_build
