"""A child process never outlives its job."""

import asyncio
import os
import sys

import pytest

from sdk.contract.jobs import Reason
from sdk.running import posix_family, proc
from sdk.running.family import sweep
from sdk.running.process import Ended, StopOrder, run
from tests.agent.waiting import is_alive, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


async def run_python(
    source, tmp_path, *, tell=None, time_limit=10, grace=0.3, env=os.environ, mark="NOBODY="
):
    """`tell` is told the order as soon as the script has printed a line."""
    log, order = tmp_path / "output.log", StopOrder()
    running = asyncio.create_task(
        run([sys.executable, "-u", "-c", source], cwd=tmp_path, env=env, output=log,
            order=order, time_limit=time_limit, grace=grace, mark=mark)
    )  # fmt: skip
    if tell is not None:
        await until(lambda: log.exists() and log.read_text().endswith("\n"))
        tell(order)
    async with asyncio.timeout(10):
        exit = await running
    return exit, log.read_text()


def politely(order):
    order.stop(Reason.OPERATOR)


async def test_output_and_status_come_back(tmp_path):
    exit, output = await run_python("print('hello'); raise SystemExit(3)", tmp_path)
    assert (exit.code, exit.ended, output) == (3, Ended.BY_ITSELF, "hello\n")


async def test_an_order_to_stop_asks_first(tmp_path):
    polite = """if 1:
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit('goodbye'))
        print('up')
        time.sleep(30)
    """
    exit, output = await run_python(polite, tmp_path, tell=politely, grace=5)
    assert (exit.code, exit.ended, output) == (1, Ended.STOPPED, "up\ngoodbye\n")


DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(30)"


async def test_then_kills(tmp_path):
    exit, _ = await run_python(DEAF, tmp_path, tell=politely)
    assert (exit.code, exit.ended) == (-9, Ended.STOPPED)


async def test_an_order_to_kill_does_not_wait_for_the_grace(tmp_path):
    exit, _ = await run_python(DEAF, tmp_path, tell=lambda o: o.kill(Reason.OPERATOR), grace=60)
    assert exit.code == -9


async def test_a_polite_order_can_become_an_urgent_one(tmp_path):
    def change_of_mind(order):
        order.stop(Reason.CANCELED_BY_USER)
        asyncio.get_running_loop().call_later(0.1, order.kill, Reason.OPERATOR)
        assert order.reason is Reason.CANCELED_BY_USER

    exit, _ = await run_python(DEAF, tmp_path, tell=change_of_mind, grace=60)
    assert exit.code == -9


async def test_a_time_limit_ends_it(tmp_path):
    exit, _ = await run_python("import time; time.sleep(30)", tmp_path, time_limit=0.3)
    assert (exit.code, exit.ended) == (-15, Ended.TIMED_OUT)


@pytest.mark.parametrize(("lingers", "tell"), [(0, None), (30, politely)])
async def test_grandchildren_end_too(tmp_path, lingers, tell):
    source = f"""if 1:
        import subprocess, time
        print(subprocess.Popen(['sleep', '30']).pid)
        time.sleep({lingers})
    """
    _, output = await run_python(source, tmp_path, tell=tell)
    await until(lambda: not is_alive(int(output)))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_grandchild_that_left_the_group_is_swept(tmp_path):
    source = """if 1:
        import subprocess
        print(subprocess.Popen(['sleep', '30'], start_new_session=True).pid)
    """
    mark = f"RUNWRIGHT_RESULT={tmp_path}/"
    env = {**os.environ, "RUNWRIGHT_RESULT": f"{tmp_path}/result.json"}
    _, output = await run_python(source, tmp_path, env=env)
    assert is_alive(int(output))
    assert sweep(mark) == (1, 0)
    await until(lambda: not is_alive(int(output)))
    assert sweep(mark) == (0, 0)


def test_who_has_no_environment_yet_is_looked_at_again(monkeypatch):
    found = [(set(), {7}), ({7}, set()), (set(), {8}), (set(), {8}), (set(), {8})]
    looks = iter([proc.Look(*look) for look in found])
    killed = []
    monkeypatch.setattr(posix_family, "_look", lambda mark: next(looks))
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    assert sweep("RUNWRIGHT_RESULT=/x/") == (1, 0)  # and 8, which never had one, is let be
    assert (killed, list(looks)) == ([7], [])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_who_had_to_be_killed_is_counted(tmp_path):
    source = """if 1:
        import signal, subprocess, sys, time
        deaf = 'import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); '
        for leaves in (False, True):
            child = subprocess.Popen([sys.executable, '-c', deaf + 'time.sleep(30)'],
                                     start_new_session=leaves, stdout=subprocess.PIPE)
            child.stdout.readline()
        print('up')
        time.sleep(30)
    """
    env = {**os.environ, "RUNWRIGHT_RESULT": f"{tmp_path}/result.json"}
    mark = f"RUNWRIGHT_RESULT={tmp_path}/"
    exit, _ = await run_python(source, tmp_path, env=env, mark=mark, tell=politely)
    assert (exit.ended, exit.swept) == (Ended.STOPPED, (2, 0))


async def test_a_program_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(OSError):
        await run(["/no/such/program"], cwd=tmp_path, env={}, output=tmp_path / "log",
                  order=StopOrder(), time_limit=None, grace=1, mark="NOBODY=")  # fmt: skip


@pytest.mark.parametrize("content", [None, "not a program"])
async def test_a_program_that_cannot_be_executed_is_an_error_with_its_path(tmp_path, content):
    program = tmp_path / "program"
    if content:
        program.write_bytes(b"\x7fELF of another machine")
        program.chmod(0o700)
    with pytest.raises(OSError, match="program"):
        await run([str(program)], cwd=tmp_path, env={}, output=tmp_path / "log",
                  order=StopOrder(), time_limit=None, grace=1, mark="NOBODY=")  # fmt: skip


async def test_a_script_that_stopped_itself_still_ends_at_its_time_limit(tmp_path):
    source = """if 1:
        import os, signal
        signal.signal(signal.SIGTERM, lambda *_: (print("woken", flush=True), os._exit(4)))
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    exit, output = await run_python(source, tmp_path, time_limit=0.5, grace=5)
    assert (exit.code, exit.ended, output) == (4, Ended.TIMED_OUT, "woken\n")


async def test_a_script_whose_grandchild_holds_its_output_ends_all_the_same(tmp_path):
    source = "import subprocess; subprocess.Popen(['sleep', '60']); print('done')"
    async with asyncio.timeout(5):
        exit, output = await run_python(source, tmp_path)
    assert (exit.code, output) == (0, "done\n")


async def test_a_script_may_close_its_output(tmp_path):
    exit, _ = await run_python("import os; os.close(1); os.close(2)", tmp_path)
    assert exit.ended is Ended.BY_ITSELF


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_script_leaves_no_core_and_dies_first_if_memory_runs_out(tmp_path):
    source = """if 1:
        import resource, time
        time.sleep(0.2)  # it is told a moment after its start
        print(resource.getrlimit(resource.RLIMIT_CORE)[0], open("/proc/self/oom_score_adj").read())
    """
    _, output = await run_python(source, tmp_path)
    assert output.split() == ["0", "500"]


@pytest.mark.skipif(sys.platform != "linux", reason="only there orphans are adopted")
async def test_a_script_that_begins_while_another_one_is_swept_is_no_orphan(tmp_path, monkeypatch):
    """As with several robots in one agent: the child is there before its number is known."""
    monkeypatch.setattr(posix_family, "_adopts", True)

    async def swept_meanwhile(*argv, start=asyncio.create_subprocess_exec, **how):
        child = await start(*argv, **how)
        await asyncio.to_thread(posix_family.sweep, "RUNWRIGHT_RESULT=/of/nobody")
        return child

    monkeypatch.setattr(asyncio, "create_subprocess_exec", swept_meanwhile)
    with (tmp_path / "output").open("ab") as output:
        family = await posix_family.Family.start(
            [sys.executable, "-c", "print('done')"], cwd=tmp_path, env={}, output=output, mark="X"
        )
    assert await family.child.wait() == 0
    await family.end()


@pytest.mark.skipif(sys.platform != "linux", reason="only there orphans are adopted")
@pytest.mark.parametrize("left", ["", "subprocess.Popen(['sleep', '60'], env={})"])
async def test_all_environments_are_looked_at_only_if_somebody_is_left(tmp_path, left):
    """In a program of its own, which adopts orphans."""
    program = f"""if 1:
        import asyncio, sys
        from pathlib import Path
        from sdk.running import posix_family, process
        looks = []
        look = posix_family.proc.look
        posix_family.proc.look = lambda mark: looks.append(1) or look(mark)
        posix_family.adopt_orphans()
        async def main():
            output = Path({str(tmp_path / "output")!r})
            end = await process.run(
                [sys.executable, "-c", "import subprocess; {left or "pass"}"],
                cwd=output.parent, env={{}}, output=output, order=process.StopOrder(),
                time_limit=9, grace=1, mark="X=",
            )
            print(end.swept.killed, bool(looks))
        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.split() == ([b"1", b"True"] if left else [b"0", b"False"])
