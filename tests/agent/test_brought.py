"""What a package brings is installed with it, as it is now, and seen by no other package."""

import ast
import asyncio
import os
import shutil
import subprocess

import pytest

from robot_agent.environments import folders, uv, venvs
from robot_agent.environments.folders import READY, shared_of
from robot_agent.environments.shelf import Shelf
from robot_agent.exits import JobFailed
from tests.agent.local_packages import a_library, a_source
from tests.agent.package_index import a_wheel, an_index

PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
SOURCES = '[tool.uv.sources]\nours = { path = "libs/ours" }\n'


@pytest.fixture
async def index(monkeypatch):
    async with an_index() as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        index.add("tin", "1.0", tin="ORE = 'old'")
        index.add("tin", "2.0", tin="ORE = 'new'")
        index.add("big", "1.0", big="X = '" + 3_000_000 * "x" + "'")
        yield index


@pytest.fixture
async def a_shelf(tmp_path):
    shelf = Shelf(tmp_path / "environments")
    await shelf.open()
    return shelf


@pytest.fixture
def package(tmp_path):
    counter = iter(range(100))

    def write(who, wants="./libs/ours", library=None, **files):
        number = next(counter)
        work = tmp_path / "jobs" / f"work {number}"
        a_library(work / "libs/ours", "ours", {"ours.py": f"WHO = {who!r}"}, **(library or {}))
        (work / "main.py").write_text("import ours; print(ours.WHO)")
        if wants:
            (work / "requirements.txt").write_text(wants)
        for name, text in files.items():
            (work / name.replace("__", ".")).write_text(text)
        return f"sha {number}", work, work / "main.py"

    return write


def said(environment, *command):
    command = (str(environment.python), "-c", *command) if len(command) == 1 else command
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=environment.folder, timeout=60,
        env=environment.variables(os.environ["PATH"]),
    )  # fmt: skip
    return done.stdout.strip() or done.stderr.strip()


async def who(shelf, package, code="import ours; print(ours.WHO)"):
    async with shelf.lend(*package) as environment:
        return said(environment, code)


@pytest.mark.parametrize("wants", ["./libs/ours", "-e ./libs/ours", "ours @ file:libs/ours"])
async def test_a_new_release_and_another_package_run_their_own_code(index, a_shelf, package, wants):
    for name in ("one", "two", "one"):
        assert await who(a_shelf, package(name, wants)) == name


@pytest.mark.parametrize(
    "line", ["-e iron", "--editable=iron", "-e iron[x]", "-eiron ; python_version > '3'"]
)
async def test_what_is_editable_is_a_folder_of_the_package_whatever_indexes_have(
    index, a_shelf, package, line
):
    wanted = package("x", line)
    a_library(wanted[1] / "iron", "iron", {"iron.py": "ORE = 'ours'"})
    index.add("iron", "1.0", iron="ORE = 'theirs'")
    assert await who(a_shelf, wanted, "import iron; print(iron.ORE)") == "ours"


@pytest.mark.parametrize(
    "odd",
    [
        *("marker = '" + "(" * 900 + "'", "wheels = 3", 'wheels = ["x"]', 'directory = "x"'),
        "wheels = [{ url = 'http://127.0.0.1:1/x.whl', hashes = 3 }]",
    ],
)
async def test_a_lock_that_makes_no_sense_fails_its_job_alone(index, a_shelf, package, odd):
    head = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "ours"\n'
    lock = f'{head}directory = {{ path = "libs/ours" }}\n[[packages]]\nname = "b"\n{odd}\n'
    with pytest.raises(JobFailed):
        await who(a_shelf, package("x", "", **{"pylock.toml": lock}))


async def test_it_outlives_the_folder_that_it_was_built_in(index, a_shelf, package, tmp_path):
    wanted = package("here", "-e ./libs/ours")
    assert await who(a_shelf, wanted) == "here"
    wanted[1].rename(tmp_path / "gone")
    again = Shelf(tmp_path / "environments")
    moved = tmp_path / "gone"
    async with again.lend("sha 0", moved, moved / "main.py") as built:
        place = said(built, "import ours; print(ours.WHO, ours.__file__)")
    assert place.startswith(f"here {built.folder}")


async def test_a_wheel_that_was_replaced_under_the_same_name_is_another_one(
    index, a_shelf, package, tmp_path
):
    by_name, by_folder = "./w/iron-1.0-py3-none-any.whl", "iron\n--find-links ./w"
    for number, wants in enumerate([by_name, by_name, by_folder, by_folder]):
        wanted = package("x", wants)
        (wanted[1] / "w").mkdir()
        wheel = wanted[1] / "w" / "iron-1.0-py3-none-any.whl"
        wheel.write_bytes(a_wheel("iron", "1.0", iron=f"ORE = {number}"))
        os.utime(wheel, (1_000_000_000, 1_000_000_000))
        assert await who(a_shelf, wanted, "import iron; print(iron.ORE)") == str(number)


@pytest.mark.parametrize("way", ["lock", "pylock", "project", "script", "workspace"])
async def test_each_way_to_name_it_is_understood(index, a_shelf, package, tmp_path, way):
    for name in ("one", "two"):
        project = PROJECT + 'dependencies = ["ours", "tin<2"]\n' + SOURCES
        if way == "workspace":
            project = project.replace('path = "libs/ours"', "workspace = true")
            project += '[tool.uv.workspace]\nmembers = ["libs/*"]\n'
        wanted = package(name, "", pyproject__toml=project)
        work = wanted[1]
        if way in ("lock", "workspace", "pylock"):
            await uv.run("lock", cwd=work, cache=tmp_path / "c")
        if way == "pylock":
            await uv.run("export", "--format", "pylock.toml", "-o", "pylock.toml", cwd=work,
                         cache=tmp_path / "c")  # fmt: skip
            (work / "uv.lock").unlink()
        if way == "script":
            (work / "pyproject.toml").unlink()
            block = ['dependencies = ["ours", "tin<2"]', *SOURCES.strip().splitlines()]
            head = "".join(f"# {line}\n" for line in ["/// script", *block, "///"])
            (work / "main.py").write_text(head + "import ours")
        code = "import ours, tin; print(ours.WHO, tin.ORE)"
        assert await who(a_shelf, wanted, code) == f"{name} old"


async def test_they_are_resolved_together(index, a_shelf, package):
    library = {"needs": ["tin<2"]}
    wanted = package("x", "tin\n./libs/ours", library)
    assert await who(a_shelf, wanted, "import tin; print(tin.ORE)") == "old"


async def test_a_release_costs_its_own_size(index, a_shelf, package):
    sizes = []
    for number in range(3):
        async with a_shelf.lend(*package(f"v{number}", "big\n./libs/ours")) as environment:
            assert said(environment, "import big, ours; print(len(big.X), ours.WHO)") == (
                f"3000000 v{number}"
            )
            shared = shared_of(environment.folder)
        sizes.append(int(subprocess.check_output(["du", "-sk", a_shelf._folder]).split()[0]))
        cache = int(subprocess.check_output(["du", "-sk", a_shelf._cache]).split()[0])
        sizes[-1] -= cache
    assert shared is not None
    assert sizes[0] > 3000 and sizes[1] - sizes[0] < 300 and sizes[2] - sizes[1] < 300, sizes
    noted = [int(note.read_text()) for note in a_shelf._folder.glob(f"*/{READY}")]
    assert sorted(noted)[-1] > 3_000_000 > 300_000 > sorted(noted)[-2]


CONSOLE = {"scripts": {"ourtool": "ours:tool"}, "needs": ["bronze"]}
OURS = "import bronze\nWHO = 'x'\ndef tool(): print('ours sees', bronze.METAL)\n"


async def test_both_sides_see_both(index, a_shelf, package):
    index.add("bronze", "1.0", bronze=(
        "METAL = 'bronze'\ndef tool():\n    import ours; print('bronze sees', ours.WHO)"
    ), entry_points={"bronzetool": "bronze:tool"},
        pth="import sys, ours; sys.bronze_saw = ours.WHO")  # fmt: skip
    wanted = package("x", "./libs/ours", CONSOLE)
    source = wanted[1] / "libs/ours/src"
    (source / "ours.py").write_text(OURS)
    (source / "ours.pth").write_text("import sys, bronze; sys.ours_saw = bronze.METAL\n")
    async with a_shelf.lend(*wanted) as environment:
        assert shared_of(environment.folder) is not None
        assert said(environment, "ourtool", "") == "ours sees bronze"
        assert said(environment, "bronzetool", "") == "bronze sees x"
        assert said(environment, "import sys; print(sys.ours_saw, sys.bronze_saw)") == "bronze x"
        listed = "from importlib.metadata import entry_points as e; print(sorted(e("
        listed += "group='console_scripts').names))"
        spawned = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {listed!r}])"
        assert said(environment, spawned) == "['bronzetool', 'ourtool']"
        order = "import ours, bronze, os, sdk.runtime, sys; p = [*map(os.path.realpath, sys.path)]"
        order += "; at = [p.index(os.path.realpath(os.path.dirname(m.__file__))) for m in "
        order += "(os, ours, bronze)]; print(at == sorted(at), sys.prefix)"
        assert said(environment, order) == f"True {environment.folder}"


@pytest.mark.parametrize("how", ["data", "name"])
async def test_what_cannot_be_on_top_of_others_has_all_of_it_alone(
    index, a_shelf, package, caplog, how
):
    wanted = package("mine", "tin<2\n./libs/ours\n./iron-1.0-py3-none-any.whl")
    files = {"iron": "ORE = 1"} if how == "data" else {"iron": "ORE = 1", "tin.extra": ""}
    data = {"iron-1.0.data/data/share/iron.txt": "ore"} if how == "data" else {}
    (wanted[1] / "iron-1.0-py3-none-any.whl").write_bytes(
        a_wheel("iron", "1.0", **{k.replace("tin.extra", "tin/extra"): v for k, v in files.items()},
                extra=data)
    )  # fmt: skip
    async with a_shelf.lend(*wanted) as environment:
        assert shared_of(environment.folder) is None
        code = "import ours, tin, iron; print(ours.WHO)"
        assert said(environment, code) == "mine"
        if how == "data":
            assert (environment.folder / "share/iron.txt").read_text() == "ore"
    assert "shares nothing with others" in caplog.text


async def test_data_files_of_what_is_shared_are_found_below_the_prefix(index, a_shelf, package):
    index.add("salt", "1.0", salt="", extra={"salt-1.0.data/data/share/salt/a.txt": "salty"})
    async with a_shelf.lend(*package("x", "salt\n./libs/ours")) as environment:
        assert shared_of(environment.folder) is not None
        code = "import sys, os; print(open(os.path.join(sys.prefix, 'share/salt/a.txt')).read())"
        assert said(environment, code) == "salty"


async def test_what_others_are_on_top_of_stays_while_they_are_lent(index, package, tmp_path):
    shelf = Shelf(tmp_path / "environments", most_bytes=1)
    await shelf.open()
    async with shelf.lend(*package("x", "tin\n./libs/ours")) as environment:
        shared = shared_of(environment.folder)
        async with shelf.lend(*package("y", "tin==1.0")):
            assert said(environment, "import tin, ours; print(tin.ORE, ours.WHO)") == "new x"
    async with shelf.lend(*package("z", "tin==1.0\n")):
        pass
    async with shelf.lend(*package("z", "big")):
        assert not shared.exists() and not environment.folder.exists()
    assert await who(shelf, package("x", "tin\n./libs/ours")) == "x"


async def test_one_whose_shared_part_is_gone_is_built_again(index, a_shelf, package):
    async with a_shelf.lend(*package("x", "tin\n./libs/ours")) as environment:
        shutil.rmtree(shared_of(environment.folder))
    assert await who(a_shelf, package("x", "tin\n./libs/ours"), "import tin; print(tin.ORE)") == (
        "new"
    )


async def test_hashes_count_for_what_a_package_brings(index, a_shelf, package):
    line = "./iron-1.0-py3-none-any.whl --hash=sha256:" + 64 * "0"
    wanted = package("x", line)
    (wanted[1] / "iron-1.0-py3-none-any.whl").write_bytes(a_wheel("iron", "1.0"))
    with pytest.raises(JobFailed, match="hash"):
        await who(a_shelf, wanted)


async def test_a_project_with_a_build_system_is_installed_itself(index, a_shelf, tmp_path):
    for text in ("first", "second"):
        work = tmp_path / text
        a_library(work, "thing", {"thing/__init__.py": f"import tin\nX = {text!r}"}, needs=["tin"])
        (work / "main.py").write_text("import thing")
        code = "import thing, tin; print(thing.X, tin.ORE)"
        assert await who(a_shelf, (text, work, work / "main.py"), code) == f"{text} new"
    (work / "pyproject.toml").write_text(
        (work / "pyproject.toml").read_text() + "[tool.uv]\npackage = false\n"
    )
    assert "No module" in await who(a_shelf, ("third", work, work / "main.py"), "import thing")


async def test_those_who_need_the_same_shared_part_at_once_build_it_once(index, a_shelf, package):
    wanted = [package(name, "big\n./libs/ours") for name in ("a", "b", "c")]
    assert await asyncio.gather(*(who(a_shelf, one) for one in wanted)) == ["a", "b", "c"]
    assert len(list(a_shelf._folder.glob(f"*/{READY}"))) == 4
    assert not list(a_shelf._folder.glob("*.part"))


async def test_a_build_system_gets_what_a_script_gets_and_what_uv_needs(
    index, a_shelf, package, tmp_path, monkeypatch
):
    monkeypatch.setenv("MY_CI_PASSWORD", "secret-1")
    monkeypatch.setenv("UV_PUBLISH_TOKEN", "secret-2")
    monkeypatch.setenv("RUNWRIGHT_MACHINE_KEY", "secret-3")
    monkeypatch.setenv("UV_INDEX_CORP_PASSWORD", "for uv")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    mark = tmp_path / "mark"
    assert await who(a_shelf, package("x", "./libs/ours", {"mark": mark})) == "x"
    [seen, *_] = [ast.literal_eval(line) for line in mark.read_text().splitlines()]
    assert "secret" not in str(seen.values())
    assert seen["HTTPS_PROXY"] == "http://proxy.example" and seen["PATH"]
    assert seen["UV_INDEX_CORP_PASSWORD"] == "for uv"  # as docs/agent.md says


async def test_the_cache_of_uv_counts_and_goes_before_environments(index, package, tmp_path):
    shelf = Shelf(tmp_path / "environments", most_bytes=5_000_000)
    await shelf.open()
    first = package("x", "big\n./libs/ours")
    async with shelf.lend(*first) as environment:
        pass
    assert environment.python.exists() and shared_of(environment.folder).exists()
    assert sum(f.stat().st_size for f in shelf._cache.rglob("*") if f.is_file()) < 10_000
    await index.stop()
    assert await who(shelf, first) == "x"


async def test_where_nothing_may_be_built_a_package_is_not_either(
    index, a_shelf, package, tmp_path, monkeypatch
):
    monkeypatch.setenv("UV_NO_BUILD", "1")
    mark = tmp_path / "mark"
    with pytest.raises(JobFailed, match="UV_NO_BUILD"):
        await who(a_shelf, package("x", "./libs/ours", {"mark": mark}))
    assert not mark.exists()


async def test_the_same_files_are_shared_however_they_are_asked_for(index, a_shelf, package):
    shared = set()
    asked = "tin==2.0\n./libs/ours", "./libs/ours  # and\ntin>1"
    project = PROJECT + 'dependencies = ["ours", "tin"]\n' + SOURCES
    for wants, files in [*((one, {}) for one in asked), ("", {"pyproject__toml": project})]:
        async with a_shelf.lend(*package("x", wants, **files)) as environment:
            shared.add(shared_of(environment.folder))
    assert len(shared) == 1 and None not in shared


async def test_what_a_package_builds_in_its_own_way_is_not_shared(index, a_shelf, package):
    settings = '[tool.uv.extra-build-dependencies]\nzinc = ["ours @ file:libs/ours"]\n'
    project = PROJECT + 'dependencies = ["ours", "tin"]\n' + SOURCES + settings
    shared = set()
    for name in ("one", "two"):
        async with a_shelf.lend(*package(name, "", pyproject__toml=project)) as environment:
            shared.add(shared_of(environment.folder))
    assert len(shared) == 2 and None not in shared


@pytest.mark.parametrize("wants", ["./w/zinc-1.0.tar.gz", "zinc\n-f w"])
async def test_a_source_archive_in_the_package_is_built(index, a_shelf, package, tmp_path, wants):
    for text in ("one", "two"):
        a_library(tmp_path / "source", "zinc", {"zinc.py": f"ORE = {text!r}"}, needs=["tin"])
        wanted = package("x", wants)
        (wanted[1] / "w").mkdir()
        (wanted[1] / "w/zinc-1.0.tar.gz").write_bytes(a_source(tmp_path / "source", "zinc-1.0"))
        code = "import tin, zinc; print(zinc.ORE, tin.ORE)"
        assert await who(a_shelf, wanted, code) == f"{text} new"


async def test_a_lock_that_leads_out_of_the_package_by_a_detour_is_refused(
    index, a_shelf, package, tmp_path
):
    wanted = package("x", "./libs/ours", {"needs": ["beyond"]})
    a_library(tmp_path / "jobs/beyond", "beyond", {"beyond.py": ""})
    project = wanted[1] / "libs/ours/pyproject.toml"
    sources = '[tool.uv.sources]\nbeyond = { path = "../../../beyond" }\n'
    project.write_text(project.read_text() + sources)
    with pytest.raises(JobFailed):
        await who(a_shelf, wanted)


async def test_names_that_two_parts_of_a_package_share_are_both_found(index, a_shelf, package):
    index.add("more", "1.0", **{"spread/more": "THERE = True"})
    wanted = package("x", "more\n./libs/ours")
    (wanted[1] / "libs/ours/src/spread").mkdir()
    (wanted[1] / "libs/ours/src/spread/own.py").write_text("HERE = True")
    code = "import spread.own, spread.more; print(spread.own.HERE, spread.more.THERE)"
    assert await who(a_shelf, wanted, code) == "True True"


@pytest.mark.parametrize("note", ["", "junk", "../../elsewhere", "0" * 31])
def test_an_environment_whose_lower_part_is_not_known_is_not_ready(tmp_path, note):
    folder = tmp_path / ("a" * 32)
    python = venvs.python_of(folder)
    python.parent.mkdir(parents=True)
    python.touch()
    (folder / folders.READY).write_text("1")
    assert folders.is_ready(folder)
    (folder / folders.NOTE).write_text(note)
    assert not folders.is_ready(folder)
