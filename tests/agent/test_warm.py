"""A warm start is as a cold one in all but its time."""

import asyncio
import gzip
import os
import signal
import socket
import sys
import time
import zipfile
from pathlib import Path

import pytest

from robot_agent.environments.shelf import Environment, Shelf
from robot_agent.warm import parents as module
from robot_agent.warm import wire
from robot_agent.warm.parent import LENGTH
from robot_agent.warm.parents import MayHaveStarted, Parents
from sdk.contract.jobs import Reason
from sdk.running import posix_family, process
from sdk.running.command import LAUNCHER
from sdk.running.environment import mark_of
from sdk.running.family import Family
from sdk.running.process import StopOrder
from tests.agent.waiting import is_alive, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

ENVIRONMENT = Environment(Path(sys.prefix))


@pytest.fixture
async def parents(tmp_path):
    made = Parents(tmp_path / "environments")
    (tmp_path / "environments").mkdir()
    yield made
    await made.close()


@pytest.fixture(params=["cold", "warm"])
def run(request, parents, tmp_path):
    """Run a script in either way; gives its end and its output."""
    counter = iter(range(1000))

    async def run(source, *arguments, preload=(), order=None, time_limit=20, **variables):
        folder = tmp_path / "jobs" / f"{next(counter)}"
        work = folder / "work"
        work.mkdir(parents=True)
        (work / "main.py").write_text(source)
        (folder / "output.log").touch()
        cold = Family.start
        start = cold if request.param == "cold" else parents.start_of(ENVIRONMENT, preload)
        env = {
            "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8",
            "RUNWRIGHT_RESULT": str(folder / "result.json"), **variables,
        }  # fmt: skip
        end = await process.run(
            arguments or [sys.executable, str(work / "main.py")], cwd=work, env=env,
            output=folder / "output.log", order=order or StopOrder(), time_limit=time_limit,
            grace=1, mark=mark_of(folder), start=start,
        )  # fmt: skip
        run.output = (folder / "output.log").read_text()
        return end

    run.output, run.parents, run.folder = "", parents, tmp_path
    run.is_warm = request.param == "warm"
    return run


SAYS_WHAT_IT_SEES = """
import os, sys, __main__
print(sys.argv[0] == __file__, __name__, sys.modules['__main__'] is __main__)
print(os.path.dirname(__file__) == sys.path[0] == os.getcwd(), __package__, __doc__)
print(sorted(k for k in vars(__main__) if not k.startswith('__')))
print(os.getsid(0) == os.getpgid(0) == os.getpid(), sys.stdin.read() == '')
os.environ.pop('LC_CTYPE', None)  # a cold Python sets it itself in a C locale
print(sorted(os.environ) == sorted(os.environ['NAMES'].split(',')), os.environ['MINE'])
print(len(os.listdir('/proc/self/fd')), __spec__, type(__loader__).__name__)
print(sys.stdout.encoding, sys.stdout.isatty())
"""


async def test_a_script_sees_the_same_world(run):
    names = "MINE,NAMES,PATH,PYTHONIOENCODING,PYTHONUNBUFFERED,RUNWRIGHT_RESULT"
    end = await run(SAYS_WHAT_IT_SEES, MINE="yes", NAMES=names)
    assert end.code == 0, run.output
    assert run.output.splitlines() == [
        "True __main__ True",
        "True None None",
        "['os', 'sys']",
        "True True",
        "True yes",
        "4 None SourceFileLoader",
        "utf-8 False",
    ]


@pytest.mark.parametrize(
    ("source", "code", "end_of_output"),
    [
        ("print('done')", 0, "done\n"),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no such customer')", 1, "no such customer\n"),
        ("1/0", 1, "ZeroDivisionError: division by zero\n"),
        ("x =", 1, "SyntaxError: invalid syntax\n"),
        ("import os; os._exit(9)", 9, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, ""),
        ("raise KeyboardInterrupt", -2, "KeyboardInterrupt\n"),
        ("import atexit; atexit.register(print, 'bye')", 0, "bye\n"),
        ("import threading as t; t.Thread(target=lambda: print('late')).start()", 0, "late\n"),
        ("import sys; sys.excepthook = lambda *a: print('mine'); 1/0", 1, "mine\n"),
        ("import sys; sys.exit(-1)", 255, ""),
        ("import sys; sys.exit(True)", 1, ""),
        ("import sys; sys.stdout = open(1, 'w', closefd=False); print('mine')", 0, "mine\n"),
        ("import sys; sys.stdout = None", 0, ""),
        ("import sys; sys.stdout.close()", 0, ""),
        ("class Left:\n  def __del__(self): print('gone')\nleft = Left()", 0, "gone\n"),
        ("class Left:\n  def __del__(self): print('gone')\na = Left(); a.a = a", 0, "gone\n"),
        ("import ctypes; ctypes.CDLL(None).puts(b'from C')", 0, "from C\n"),
        ("import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()", 0, ""),
        ("import asyncio, logging\nasync def m(): print('m')\nasyncio.run(m())", 0, "m\n"),
        (
            "import weakref\nclass A: pass\na = A(); a.a = a; "
            "r = weakref.ref(a, lambda _: print('gone')); del a",
            0,
            "gone\n",
        ),
        ("import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (3, 3))", 0, ""),
        ("import sys; sys.modules.clear()", 0, ""),
        ("import sys; sys.exit()", 0, ""),
        (
            "import atexit, sys; atexit.register(lambda: print(sys.last_value)); 1/0",
            1,
            "division by zero\n",
        ),
        ("import atexit; atexit.register(lambda: 1/0)", 0, "ZeroDivisionError: division by zero\n"),
    ],
)
async def test_a_script_ends_the_same_way(run, source, code, end_of_output):
    end = await run(source)
    assert (end.code, run.output.endswith(end_of_output)) == (code, True), run.output
    assert "robot_agent" not in run.output and "parent.py" not in run.output
    assert end_of_output or not run.output


@pytest.mark.parametrize(
    "source",
    [
        "file = open('left', 'w'); file.write('all of it')",
        "def main():\n  file = open('left', 'w'); file.write('all of it'); 1/0\nmain()",
        "import json; json.file = open('left', 'w'); json.file.write('all of it')",
        "import gc; file = open('left', 'w'); file.write('all of it'); gc.freeze()",
        "file = open('left', 'w'); file.write('all of it'); raise KeyboardInterrupt",
        "import atexit\nfile = open('left', 'w')\natexit.register(file.write, 'all of it')",
        "import threading as t, time\nfile = open('left', 'w')\n"
        "def late():\n  time.sleep(0.1); file.write('all of it')\nt.Thread(target=late).start()",
        "import gzip; file = gzip.open('left.gz', 'wt'); file.write('all of it')",
        "import zipfile; z = zipfile.ZipFile('left.zip', 'w'); z.writestr('left', 'all of it')",
        "import ctypes as c; C = c.CDLL(None); C.fopen.restype = c.c_void_p\n"
        "C.fputs(b'all of it', c.c_void_p(C.fopen(b'left', b'w')))",
    ],
)
async def test_nothing_it_wrote_is_lost_at_its_end(run, source):
    end = await run(source, preload=["json", "zipfile", "gzip"])
    ends = {"1/0": 1, "KeyboardInterrupt": -2}
    assert end.code == sum(code for what, code in ends.items() if what in source), run.output
    [left] = (run.folder / "jobs" / "0" / "work").glob("left*")
    match left.suffix:
        case ".gz":
            assert gzip.open(left, "rt").read() == "all of it"
        case ".zip":
            assert zipfile.ZipFile(left).read("left") == b"all of it"
        case _:
            assert left.read_text() == "all of it"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_script_leaves_no_core_and_dies_first_if_memory_runs_out(run):
    await run(
        "import resource, time\n"
        "time.sleep(0.2)  # a cold one is told a moment after its start\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), open('/proc/self/oom_score_adj').read())"
    )
    assert run.output.split() == ["(0,", "0)", "500"]


async def test_a_function_is_called_with_the_parameters(run, tmp_path):
    parameters, result = tmp_path / "parameters.json", tmp_path / "result"
    parameters.write_text('{"n": 20}')
    source = "def double(n: int):\n    return 2 * n\n"
    script = run.folder / "jobs" / "0" / "work" / "main.py"
    argv = [sys.executable, str(LAUNCHER), "double", str(script)]
    end = await run(source, *argv, RUNWRIGHT_PARAMETERS=str(parameters))
    assert end.code == 0, run.output
    assert (script.parent.parent / "result.json").read_text() == "40"
    assert not result.exists()


async def test_what_it_started_is_found_and_killed(run):
    order = StopOrder()
    family = (
        "import subprocess, time, os\n"
        "a = subprocess.Popen(['sleep', '60'])\n"
        "b = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "print(os.getpid(), a.pid, b.pid, flush=True)\ntime.sleep(60)"
    )
    running = asyncio.create_task(run(family, order=order))
    log = run.folder / "jobs" / "0" / "output.log"
    await until(lambda: log.exists() and log.read_text().count(" ") == 2)
    order.stop(Reason.CANCELED_BY_USER)
    end = await running
    assert end.ended == "stopped" and end.swept.killed >= 1 and end.swept.left == 0
    for pid in map(int, run.output.split()):
        await until(lambda pid=pid: not is_alive(pid))


async def test_it_is_ended_at_its_time_limit_even_if_it_is_deaf(run):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    end = await run(deaf, time_limit=0.5)
    assert (end.ended, end.code) == ("timed_out", -9)


async def test_a_mark_in_its_environment_tells_whose_it_is(run):
    """The same that a sweep after a crash looks for."""
    end = await run(
        "import os\n"
        "mark = 'RUNWRIGHT_RESULT=' + os.environ['RUNWRIGHT_RESULT']\n"
        "print(open('/proc/self/environ').read().split('\\0').count(mark))"
    )
    assert (end.code, run.output) == (0, "1\n")


# Of the parent


async def started(parents, folder, source, preload=(), environment=ENVIRONMENT):
    folder.mkdir(parents=True)
    (folder / "main.py").write_text(source)
    env = {"PATH": os.environ["PATH"], "RUNWRIGHT_RESULT": f"{folder}/r"}
    with (folder / "out").open("ab") as output:
        return await parents.start_of(environment, preload)(
            [sys.executable, str(folder / "main.py")], cwd=folder, env=env, output=output,
            mark=f"RUNWRIGHT_RESULT={folder}/",
        )  # fmt: skip


async def test_nothing_of_one_job_is_in_the_next(parents, tmp_path):
    leaves = (
        "import os, json, random; json.mine = 1; os.environ['LEFT'] = '1'; print(random.random())"
    )
    looks = (
        "import os, json, random\n"
        "print(hasattr(json, 'mine'), 'LEFT' in os.environ, random.random())"
    )
    outputs = []
    for number, source in enumerate([leaves, looks, looks]):
        family = await started(parents, tmp_path / str(number), source, ["json", "random"])
        assert await family.child.wait() == 0
        await family.end()
        outputs.append((tmp_path / str(number) / "out").read_text().split())
    assert outputs[1][:2] == ["False", "False"]
    assert len({outputs[0][0], outputs[1][2], outputs[2][2]}) == 3
    assert len(parents._there) == 1


async def test_what_is_preloaded_is_there_and_a_missing_module_means_a_cold_start(
    parents, tmp_path, caplog
):
    source = "import sys; print('decimal' in sys.modules)"
    for number, preload in enumerate([["decimal"], ["no_such_module"]]):
        family = await started(parents, tmp_path / str(number), source, preload)
        assert await family.child.wait() == 0
        await family.end()
    assert (tmp_path / "0" / "out").read_text() == "True\n"
    assert (tmp_path / "1" / "out").read_text() == "False\n"
    assert "No module named 'no_such_module'" in caplog.text


async def test_when_the_parent_is_killed_its_jobs_end_and_the_next_has_a_new_one(parents, tmp_path):
    family = await started(parents, tmp_path / "1", "import time; time.sleep(60)")
    [parent] = parents._there.values()
    os.kill(parent.process.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        assert await family.child.wait() == -signal.SIGKILL
    await until(lambda: not is_alive(family.child.pid))
    await family.end()
    family = await started(parents, tmp_path / "2", "print('there')")
    assert await family.child.wait() == 0
    await family.end()
    assert list(parents._there.values()) != [parent]


@pytest.mark.parametrize("limit", ["JOBS", "GROWTH_BYTES"])
async def test_a_worn_parent_is_replaced(parents, tmp_path, monkeypatch, limit):
    monkeypatch.setattr(module, limit, 1 if limit == "JOBS" else -(10**12))
    pids = []
    for number in range(2):
        family = await started(parents, tmp_path / str(number), "print('there')")
        assert await family.child.wait() == 0
        await family.end()
        [parent] = parents._there.values()
        pids.append(parent.process.pid)
    assert pids[0] != pids[1]
    await until(lambda: not is_alive(pids[0]))


async def test_a_parent_is_no_orphan_of_a_script(parents, tmp_path, monkeypatch):
    monkeypatch.setattr(posix_family, "_adopts", True)
    family = await started(parents, tmp_path / "1", "print('there')")
    await family.child.wait()
    await family.end()
    [parent] = parents._there.values()
    assert is_alive(parent.process.pid)


async def test_a_script_that_imports_much_starts_in_milliseconds(parents, tmp_path):
    """No limit in seconds: a warm start takes less than the import that it saves."""
    shelf = Shelf(tmp_path / "shelf")
    await shelf.open()
    (tmp_path / "main.py").touch()
    async with shelf.lend("sha256", tmp_path, tmp_path / "main.py") as environment:
        [site] = environment.folder.glob("lib/python*/site-packages")
        (site / "heavy.py").write_text("import time; time.sleep(0.5)")
        for number in range(2):
            began = time.monotonic()
            family = await started(
                parents, tmp_path / str(number), "import heavy", ["heavy"], environment
            )
            assert await family.child.wait() == 0
            seconds = time.monotonic() - began
            await family.end()
    assert seconds < 0.5


AT_PYTHONS_LAST_STEP = "import ctypes; ctypes.pythonapi.Py_AtExit(ctypes.CDLL(None).abort)"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each child has the whole end")
@pytest.mark.parametrize(
    ("left", "has_the_whole_end"),
    [
        ("", False),
        ("import sys; sys.exit(0)", False),
        ("file = open('left', 'w')", True),
        ("import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()", True),
        ("class Left:\n  def __del__(self): pass\nleft = Left()", True),
        ("import sys; sys.setprofile(lambda *_: None)", True),
        ("1/0", True),
    ],
)
async def test_pythons_last_step_is_left_out_where_it_has_nothing_to_do(
    parents, tmp_path, left, has_the_whole_end
):
    family = await started(parents, tmp_path / "1", f"{AT_PYTHONS_LAST_STEP}\n{left}")
    assert await family.child.wait() == (-signal.SIGABRT if has_the_whole_end else 0)
    await family.end()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each child has the whole end")
async def test_a_memory_stream_in_a_preloaded_module_is_nothing_to_do(parents, tmp_path):
    """As pandas has one."""
    shelf = Shelf(tmp_path / "shelf")
    await shelf.open()
    (tmp_path / "main.py").touch()
    async with shelf.lend("sha256", tmp_path, tmp_path / "main.py") as environment:
        [site] = environment.folder.glob("lib/python*/site-packages")
        (site / "streams.py").write_text("import io; kept = io.BytesIO(), io.StringIO()")
        folder = tmp_path / "1"
        family = await started(parents, folder, AT_PYTHONS_LAST_STEP, ["streams"], environment)
        assert await family.child.wait() == 0
        await family.end()


async def test_what_a_preloaded_module_has_to_do_at_the_end_is_done(parents, tmp_path):
    shelf = Shelf(tmp_path / "shelf")
    await shelf.open()
    (tmp_path / "main.py").touch()
    async with shelf.lend("sha256", tmp_path, tmp_path / "main.py") as environment:
        [site] = environment.folder.glob("lib/python*/site-packages")
        (site / "client.py").write_text(
            "class Client(list):\n    def __del__(self): print(*self)\nclient = Client()\n"
        )
        source = "from client import client; client.append('sent')"
        family = await started(parents, tmp_path / "1", source, ["client"], environment)
        assert await family.child.wait() == 0
        await family.end()
    assert (tmp_path / "1" / "out").read_text() == "sent\n"


async def test_what_may_have_started_is_not_started_again(parents, tmp_path, monkeypatch):
    """The parent dies when it has heard the whole request, and before it says what came of it."""
    family = await started(parents, tmp_path / "1", "print('there')")
    await family.child.wait()
    await family.end()
    [parent] = parents._there.values()

    async def sent_and_killed(connection, content, descriptor, send=wire.send):
        os.kill(parent.process.pid, signal.SIGSTOP)
        await send(connection, content, descriptor)
        os.kill(parent.process.pid, signal.SIGKILL)

    monkeypatch.setattr(wire, "send", sent_and_killed)
    with pytest.raises(MayHaveStarted):
        await started(parents, tmp_path / "2", "print('there')")
    assert (tmp_path / "2" / "out").read_text() == ""


async def test_a_worn_parent_that_is_busy_ends_with_its_last_job(parents, tmp_path, monkeypatch):
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'go')!r}).exists(): "
    family = await started(parents, tmp_path / "1", wait + "time.sleep(0.02)")
    [worn] = parents._there.values()
    monkeypatch.setattr(module, "JOBS", 1)
    other = await started(parents, tmp_path / "2", "print('there')")
    assert await other.child.wait() == 0 and list(parents._there.values()) != [worn]
    assert is_alive(worn.process.pid)
    (tmp_path / "go").touch()
    assert await family.child.wait() == 0
    await until(lambda: not is_alive(worn.process.pid))
    for one in (family, other):
        await one.end()


@pytest.mark.parametrize(
    "sent",
    [LENGTH.pack(2**31), *(LENGTH.pack(len(c)) + c for c in (b"[]", b'{"a": "b"}', b"\xff", b"{"))],
    ids=["too long", "a list", "a text", "no UTF-8", "cut"],
)
async def test_what_no_parent_sends_ends_the_conversation(sent):
    """A module that a package brings is loaded into the parent, and may write what it likes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.sendall(sent)
        async with asyncio.timeout(5):
            with pytest.raises(EOFError):
                await wire.receive(ours)
