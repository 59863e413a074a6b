"""A function of a script finds what the script as a whole would find, in each way to start it."""

import json
import os
import sys
import zipfile

import pytest

from robot_agent.environments.shelf import Shelf
from robot_agent.warm.here import Parents
from sdk.running import here, process
from sdk.running.command import command, script_in
from sdk.running.environment import mark_of
from sdk.running.family import Family
from sdk.running.process import StopOrder

WAYS = ["cold", "sdk run", *(["warm"] if sys.platform != "win32" else [])]


class Robot:
    """Runs scripts in an environment as a robot builds it."""

    def __init__(self, way, folder, environment, launcher, parents):
        self.way, self.environment, self.launcher = way, environment, launcher
        self.preload = []
        self._folder, self._parents, self._jobs = folder, parents, 0

    async def run(self, files, script="main.py:run", **parameters):
        """The result of a function; what it has printed."""
        self._jobs += 1
        job = self._folder / f"{self._jobs}"
        work = job / "work"
        for name, text in files.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        run = self._run_here if self.way == "sdk run" else self._run_as_robot
        return await run(job, work, script, parameters)

    async def _run_here(self, job, work, script, parameters):
        with zipfile.ZipFile(job / "package.zip", "w") as archive:
            for file in work.rglob("*"):
                archive.write(file, file.relative_to(work))
        output = []
        (job / "here").mkdir()
        report = await here.run(
            job / "package.zip", job / "here", script, parameters, {}, output.append, StopOrder()
        )
        return report.result, b"".join(output).decode()

    async def _run_as_robot(self, job, work, script, parameters):
        (job / "parameters.json").write_text(json.dumps(parameters))
        python, start = self.environment.python, Family.start
        if self.way == "warm":
            start = self._parents.start_of(self.environment, self.preload)
        await process.run(
            command(script_in(work, script), script, python, self.launcher), cwd=work,
            env={"PATH": os.environ["PATH"], "RUNWRIGHT_PARAMETERS": str(job / "parameters.json"),
                 "RUNWRIGHT_RESULT": str(job / "result.json")},
            output=job / "output.log", order=StopOrder(), time_limit=60, grace=1,
            mark=mark_of(job), start=start,
        )  # fmt: skip
        result = job / "result.json"
        found = json.loads(result.read_text()) if result.exists() else None
        return found, (job / "output.log").read_text()


@pytest.fixture(params=WAYS)
async def robot(request, tmp_path):
    shelf = Shelf(tmp_path / "environments")
    await shelf.open()
    parents = Parents(tmp_path / "environments")
    (tmp_path / "none.py").touch()
    async with shelf.lend("sha256", tmp_path, tmp_path / "none.py") as environment:
        yield Robot(request.param, tmp_path / "jobs", environment, shelf.launcher, parents)
    await parents.close()


PICKLES = """
from __future__ import annotations
import copy, multiprocessing, os, pickle, sys, typing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

if __name__ == "__main__":
    print("run as a whole")

class Row: pass

@dataclass
class Inner:
    y: int

@dataclass
class Outer:
    inner: Inner

def square(x): return x * x

def pool(how):
    with multiprocessing.get_context(how).Pool(2) as workers:
        return workers.map(square, [1, 2, 3])

def run():
    @dataclass
    class Late:
        x: Inner

    print("called")
    with ProcessPoolExecutor(2) as workers:
        executed = list(workers.map(square, [1, 2, 3]))
    return {
        "pools": [pool(how) for how in multiprocessing.get_all_start_methods()],
        "executor": executed,
        "pickled": type(pickle.loads(pickle.dumps(Row()))) is Row,
        "late": Late(3).x,
        "hints": sorted(typing.get_type_hints(Outer)),
        "module": sys.modules[__name__].run is run,
        "at": [sys.path[0] == os.path.dirname(__file__), sys.argv == [__file__]],
    }
"""


@pytest.mark.parametrize(
    "script",
    ["main.py", "robots/main.py", "my-script.py", "report.v2.py", "robots/__main__.py", "2024.py",
     "sdk.py", "time.py"],
)  # fmt: skip
async def test_what_a_script_defines_can_be_pickled_and_is_run_once(robot, script):
    result, output = await robot.run({script: PICKLES}, f"{script}:run")
    assert result == {
        "pools": [[1, 4, 9]] * (3 if sys.platform != "win32" else 1),
        "executor": [1, 4, 9], "pickled": True, "late": 3, "hints": ["inner"],
        "module": True, "at": [True, True],
    }, output  # fmt: skip
    assert output == "called\n"


@pytest.mark.parametrize("script", ["queue.py", "token.py", "json.py", "site.py", "os.py"])
async def test_a_script_may_have_the_name_of_a_module_that_is_there(robot, script):
    main = "import pickle\nclass Row: pass\n"
    main += "def run(): return type(pickle.loads(pickle.dumps(Row()))) is Row"
    assert await robot.run({script: main}, f"{script}:run") == (True, "")


async def test_other_files_import_the_script_that_is_called(robot):
    files = {
        "main.py": "import other\nseen = []\ndef run(): return other.same(seen)",
        "other.py": "def same(seen):\n    import main\n    return main.seen is seen",
    }
    assert await robot.run(files) == (True, "")


async def test_a_script_beside_a_package_of_its_name_is_the_one_that_is_called(robot):
    result, output = await robot.run({"main.py": PICKLES, "main/__init__.py": "1/0"})
    assert result["pools"][0] == [1, 4, 9], output


OWN = {"sdk": "sdk/vendor.py"} | {
    name: f"{name}.py"
    for name in ("json", "types", "token", "typing", "re", "enum", "queue", "pathlib", "secrets",
                 "inspect", "dataclasses", "datetime", "struct", "socket", "decimal", "sdk_own")
}  # fmt: skip


async def test_a_module_of_the_package_is_found_whatever_its_name(robot):
    """Where it is found by a script that is run as a whole, on the same robot."""

    async def both(name, file):
        module = file.removesuffix(".py").replace("/", ".")
        main = f"from {module} import X\ndef run(): return X\nif __name__ == '__main__': print(X)"
        files = {"main.py": main, file: "X = 'mine'", f"{name}/__init__.py": ""}
        if "/" not in file:
            del files[f"{name}/__init__.py"]
        _, printed = await robot.run(files, "main.py")
        return printed, (await robot.run(files))[0]

    for name, file in OWN.items():
        assert await both(name, file) == ("mine\n", "mine"), name


async def test_a_folder_of_data_hides_no_module(robot):
    files = {
        "json/data.json": "{}", "sdk/notes.txt": "",
        "main.py": "import json\nfrom sdk.runtime import BusinessError, job\n"
                   "def run(n: int): return json.loads('[1]') + [job.parameters['n'] + n]",
    }  # fmt: skip
    assert await robot.run(files, n=2) == ([1, 4], "")


async def test_a_dependency_named_sdk_is_found_and_ours_calls_the_function(robot):
    if robot.way == "sdk run":
        pytest.skip("there ours is in the same folder")
    [site] = robot.environment.folder.glob("lib/python*/site-packages")
    (site / "sdk").mkdir()
    (site / "sdk" / "__init__.py").write_text("X = 'theirs'")
    for robot.preload in ([], ["sdk"]):
        assert await robot.run({"main.py": "from sdk import X\ndef run(): return X"}) == (
            "theirs", ""
        )  # fmt: skip


async def test_what_is_preloaded_is_what_the_launcher_uses(robot):
    """So that a BusinessError is known as one, whoever has imported it first."""
    robot.preload = ["sdk.runtime"]
    main = "import sys\nfrom sdk.runtime import BusinessError\nfrom sdk.runtime.call import call\n"
    main += "def run(): return call.__globals__['BusinessError'] is BusinessError"
    assert await robot.run({"main.py": main}) == (True, "")


async def test_the_same_names_do_not_get_into_the_way_of_a_preloaded_module(robot):
    robot.preload = ["json", "decimal"]
    files = {"decimal.py": "X = 'mine'", "main.py": "from decimal import X\ndef run(): return X"}
    assert await robot.run(files) == ("mine", "")
