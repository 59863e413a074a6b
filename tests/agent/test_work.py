"""A robot gets jobs, runs each once at most, and tells how they ended."""

import asyncio
import hashlib
import json
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from robot_agent import clock, job_folder, packages, work
from robot_agent.exits import AgentExit, Status
from robot_agent.journal import Unwritable
from robot_agent.limits import Limits
from sdk.contract.runner import AssignedPackage
from tests.agent.fake_server import a_package, serving
from tests.agent.running_agent import an_agent, the_program
from tests.agent.waiting import is_alive, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at processes")

SLEEPER = """if 1:
    import subprocess, time
    family = [
        subprocess.Popen(['sleep', '60']),
        subprocess.Popen(['sleep', '60'], start_new_session=True),
    ]
    print(*[child.pid for child in family], flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["cold", "warm"])
async def server(request, caplog):
    async with serving() as fake:
        fake.start = request.param
        yield fake
    assert "A warm start is not possible" not in caplog.text


async def the_report(server):
    await server.until(lambda: server.reports)
    return server.reports[0]


async def test_a_job_gets_its_parameters_and_returns_result_and_log(server, tmp_path, monkeypatch):
    source = """if 1:
        import json, os
        parameters = json.load(open(os.environ['RUNWRIGHT_PARAMETERS']))
        json.dump({'twice': parameters['n'] * 2}, open(os.environ['RUNWRIGHT_RESULT'], 'w'))
        print('hello')
    """
    async with an_agent(server, tmp_path, monkeypatch):
        server.give(source, parameters={"n": 4})
        await server.note()
        report = await the_report(server)
    assert (report["status"], report["result"], report["attempt"]) == ("completed", {"twice": 8}, 1)
    assert server.log == b"hello\n"
    assert list((tmp_path / "jobs" / "7").glob("*")) == []


async def test_a_lost_answer_to_a_claim_is_asked_for_with_the_same_key(
    server, tmp_path, monkeypatch
):
    server.after_claim = ["lose"]
    server.give("print('once')")
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
        await server.until(lambda: len(server.claims) >= 3)
    keys = [claim["claim_key"] for claim in server.claims]
    assert report["status"] == "completed"
    assert keys[0] == keys[1] != keys[2]
    assert server.log == b"once\n"


async def test_the_next_job_comes_with_the_answer_to_a_report(server, tmp_path, monkeypatch):
    for name in "abc":
        server.give(f"print({name!r})")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: len(server.reports) == 3)
        claims = len(server.claims)
    asked, granted = ([r[k] for r in server.reports] for k in ("next_job", "claim_key"))
    assert granted[1:] == [question["claim_key"] for question in asked[:2]]
    assert claims == 1 and server.log == b"c\n"  # each log begins at byte 0


async def test_no_job_is_asked_for_with_a_report_that_spent_the_reserve(
    server, tmp_path, monkeypatch
):
    server.give("import pathlib; (pathlib.Path.cwd().parents[3] / 'reserve').unlink()")
    server.give("pass")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: len(server.reports) == 2)
    assert server.reports[0]["next_job"] is None
    assert len(server.claims) >= 2 and (tmp_path / "reserve").exists()


async def test_a_thread_that_outlives_its_job_leaves_the_next_one_alone(tmp_path):
    loop, go_on = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    busy = loop.run_in_executor(None, go_on.wait, 10)
    content = a_package("pass")
    package = AssignedPackage(
        id=1, name="p", version="1.0.0", sha256=hashlib.sha256(content).hexdigest(), size_bytes=1
    )
    packages.place_of(tmp_path, package).write_bytes(content)
    assignment = SimpleNamespace(
        package=package, parameters={}, process=SimpleNamespace(script_path="main.py")
    )
    old, own, following = (tmp_path / "jobs" / f"{n}-1" for n in range(3))
    old.mkdir(parents=True)
    preparing = asyncio.create_task(job_folder.prepare(own, tmp_path, assignment, None))
    await asyncio.sleep(0)  # it stands in the line for a thread now
    following.mkdir()
    go_on.set()
    await asyncio.gather(busy, preparing)
    assert following.exists() and own.exists() and not old.exists()


async def test_beats_name_the_next_job_while_the_last_one_is_cleared_away(
    server, tmp_path, monkeypatch
):
    go_on, clear_away = threading.Event(), job_folder.clear_away

    def slowly(folders):
        if any(folder.name.startswith("1-") for folder in folders):
            go_on.wait(10)
        clear_away(folders)

    monkeypatch.setattr(job_folder, "clear_away", slowly)
    server.give("pass")
    server.give("pass")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: [2] in [[job["id"] for job in b["jobs"]] for b in server.beats])
        assert len(server.reports) == 1
        go_on.set()
        await server.until(lambda: len(server.reports) == 2)
    assert list((tmp_path / "jobs" / "7").glob("*")) == []


async def test_a_lost_answer_to_a_report_takes_no_job_away(server, tmp_path, monkeypatch):
    server.after_report = ["lose"]
    server.give("pass")
    server.give("print('once')")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: len(server.reports) == 3)
    first, again, second = server.reports
    assert first == again and second["claim_key"] == first["next_job"]["claim_key"]
    assert server.log == b"once\n"


@pytest.mark.parametrize("where", ["after_report", "after_answer", "after_starting"])
async def test_a_crash_between_two_jobs_loses_and_doubles_neither(server, tmp_path, where):
    """The second pass of the first two is that of the second job."""
    server.give("pass")
    server.give("print('once')")
    kill = f"agent.{where}=kill" + ("@1" if where == "after_report" else "@2")
    async with the_program(
        server, tmp_path, RUNWRIGHT_TEST="1", RUNWRIGHT_FAILPOINTS=kill
    ) as program:
        await asyncio.wait_for(program.communicate(), 20)
    async with the_program(server, tmp_path):
        await server.until(lambda: {r["job_id"] for r in server.reports} == {1, 2})
    last = server.reports[-1]
    if where == "after_starting":
        assert (last["reason"], server.log) == ("agent_restarted", b"")
    else:
        assert (last["status"], server.log) == ("completed", b"once\n")


async def test_who_is_to_stop_asks_for_no_job_with_its_report(server, tmp_path, monkeypatch):
    server.give("import time; print('up', flush=True); time.sleep(0.5)")
    server.give("pass")
    async with an_agent(server, tmp_path, monkeypatch) as agent:
        await server.until(lambda: server.log)
        agent.stop()
        await the_report(server)
    assert [report["next_job"] for report in server.reports] == [None]
    assert len(server.waiting) == 1


async def test_a_report_that_cannot_be_written_down_is_sent_and_asks_for_no_job(
    server, tmp_path, monkeypatch
):
    async def full(self, entry, report):
        raise Unwritable("The journal cannot be written: it is full.")

    monkeypatch.setattr("robot_agent.journal.Journal.exited", full)
    server.give("pass")
    async with an_agent(server, tmp_path, monkeypatch):
        assert (await the_report(server))["next_job"] is None


async def test_who_has_still_a_log_to_send_asks_for_no_job_with_its_report(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr("robot_agent.reporting.LAST_LOG_SECONDS", 0.1)
    server.failures["/logs"] = [503] * 1000
    server.give("print('late')")
    async with an_agent(server, tmp_path, monkeypatch):
        assert (await the_report(server))["next_job"] is None
        server.failures.clear()
        await server.until(lambda: server.log == b"late\n")


async def test_a_job_that_was_granted_to_a_copy_of_this_agent_is_left_to_it(server, tmp_path):
    """Of a server that cannot tell the two apart: it does not know of `life`."""
    server.failures["/register-robot"] = [422]
    server.give("print('again')")
    server.owned = {**server.waiting.pop(), "claim_key": "of-the-other-one"}
    async with the_program(server, tmp_path) as program:
        async with asyncio.timeout(10):
            _, errors = await program.communicate()
    assert (program.returncode, b"another agent" in errors) == (75, True)
    assert (server.log, server.reports) == (b"", [])
    assert server.registered[0]["life"] is None


async def test_the_job_of_another_agent_is_waited_for_until_its_lease_has_ended(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(work, "IN_USE_PAUSE_SECONDS", 0.1)
    server.give("print('mine')")
    server.owned = {**server.waiting[0], "id": 9, "claim_key": "of-the-other-one"}
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: len(server.claims) > 3)
        server.owned = None
        report = await the_report(server)
    assert (report["job_id"], report["status"], server.log) == (1, "completed", b"mine\n")


async def test_a_lease_of_another_agent_that_does_not_end_is_for_a_person(monkeypatch):
    monkeypatch.setattr(work, "IN_USE_SECONDS", -1.0)
    monkeypatch.setattr(work, "IN_USE_PAUSE_SECONDS", 0)
    link = SimpleNamespace(is_told_apart=True)
    waiting = work.Work(SimpleNamespace(link=link, stopping=asyncio.Event()))
    await waiting._wait_for_another("Another agent runs job 7.")
    with pytest.raises(AgentExit, match="Another agent runs job 7") as caught:
        await waiting._wait_for_another("Another agent runs job 7.")
    assert caught.value.status == Status.NAME_IN_USE


async def test_one_key_is_asked_with_until_something_is_granted_to_it(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr("robot_agent.work.WAIT_SECONDS", 0)
    monkeypatch.setattr("robot_agent.work.ASK_SECONDS", 0.01)
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: len(server.claims) >= 3)
        server.give("pass")
        await the_report(server)
        await server.until(lambda: len({claim["claim_key"] for claim in server.claims}) == 2)
    keys = [claim["claim_key"] for claim in server.claims]
    assert keys == sorted(keys, key=keys.index)  # one, then the other


async def test_a_cancel_is_heard_at_once_by_the_open_question(server, tmp_path, monkeypatch):
    job_id = server.give("import time; print('up', flush=True); time.sleep(60)")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.log)
        beats = len(server.beats)
        server.told[job_id] = "stop"
        await server.note()
        report = await the_report(server)
    assert report["reason"] == "canceled_by_user"
    assert len(server.beats) <= beats + 2  # it did not take a beat to hear it


@pytest.mark.parametrize(
    ("limits", "source", "reason"),
    [
        (Limits(memory_bytes=50_000_000), "x = bytearray(80_000_000)", "out_of_memory"),
        (Limits(processes=3), "import subprocess\nfor _ in range(5): "
         "subprocess.Popen(['sleep', '60'])", "script_failed"),
        (Limits(output_bytes=1000), "print('x' * 2000, flush=True)", "output_limit"),
    ],
)  # fmt: skip
async def test_a_job_over_its_limits_is_ended(
    server, tmp_path, monkeypatch, limits, source, reason
):
    monkeypatch.setattr("robot_agent.config.Config.limits", limits)
    server.give(f"import time\n{source}\ntime.sleep(60)")
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
    assert (report["status"], report["reason"]) == ("failed", reason)
    assert "allowed on this robot" in report["error_message"]


async def test_no_job_is_taken_while_the_disk_is_low(server, tmp_path, monkeypatch):
    monkeypatch.setattr("robot_agent.work.TROUBLE_SECONDS", 0.05)
    free = [10]
    usage = lambda path: SimpleNamespace(free=free[0], total=2**30)  # noqa: E731
    monkeypatch.setattr("robot_agent.reserve.shutil.disk_usage", usage)
    server.give("pass")
    async with an_agent(server, tmp_path, monkeypatch, min_free_bytes=1000):
        await server.until(
            lambda: any(
                "takes_no_jobs" in (b["machine_info"] or {})
                for b in server.beats
                if "machine_info" in b
            )
        )
        assert server.claims == []
        free[0] = 2000
        report = await the_report(server)
    assert report["status"] == "completed"


async def test_a_report_is_repeated_through_an_outage(server, tmp_path, monkeypatch):
    server.failures["/update"] = [503, 500, 502]
    server.give("pass")
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
    assert report["status"] == "completed"
    assert server.failures["/update"] == []


async def test_refused_output_does_not_cost_the_result(server, tmp_path, monkeypatch):
    server.failures["/logs"] = [403]
    server.give("print('secret')")
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
    assert (report["status"], server.log) == ("completed", b"")


async def test_a_robot_whose_token_is_forgotten_registers_again(server, tmp_path, monkeypatch):
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.beats)
        server.tokens = set()
        server.give("pass")
        await server.note()
        report = await the_report(server)
    assert report["status"] == "completed"
    assert len(server.registered) == 2


async def test_cancel_ends_the_script_and_all_it_spawned(server, tmp_path, monkeypatch):
    job_id = server.give(SLEEPER)
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.log.endswith(b"\n"))
        family = [int(pid) for pid in server.log.split()]
        assert all(map(is_alive, family))
        server.actions[job_id] = "stop"
        report = await the_report(server)
        await until(lambda: not any(map(is_alive, family)))
    assert (report["reason"], report["started"]) == ("canceled_by_user", "yes")


async def test_a_cancel_before_the_start_prevents_it(server, tmp_path, monkeypatch):
    server.actions[server.give("print('started')")] = "stop"
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
    assert (report["reason"], report["started"]) == ("canceled_by_user", "no")
    assert server.log == b""


async def test_progress_is_told_with_the_beats(server, tmp_path, monkeypatch):
    source = """if 1:
        import os, time
        open(os.environ['RUNWRIGHT_PROGRESS'], 'w').write('{"fraction": 0.5, "message": "half"}')
        time.sleep(60)
    """
    job_id = server.give(source)

    def last_progress():
        return [job.get("progress") for beat in server.beats for job in beat["jobs"]][-1:]

    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: last_progress() == [{"fraction": 0.5, "message": "half"}])
        server.actions[job_id] = "kill"
        await the_report(server)


async def test_no_secret_of_the_agent_reaches_the_script(server, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNWRIGHT_MACHINE_KEY", "good-key")
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    server.give("import json, os; print(json.dumps(dict(os.environ)))")
    async with an_agent(server, tmp_path, monkeypatch):
        await the_report(server)
    text, environment = server.log.decode(), json.loads(server.log)
    assert "robot-token" not in text and "good-key" not in text and "hunter2" not in text
    assert environment["RUNWRIGHT_FENCE"] == "1.1"
    assert environment["RUNWRIGHT_IDEMPOTENCY_KEY"] == "runwright-job-1"
    assert environment["RUNWRIGHT_JOB_TOKEN"] == "*********"  # whoever reads the log has none


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
async def test_the_token_of_a_job_is_on_no_command_line(server, tmp_path, monkeypatch):
    source = """if 1:
        import os, pathlib, sys
        token = os.environ["RUNWRIGHT_JOB_TOKEN"]
        shown, lines = 0, 0
        for file in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                shown, lines = shown + (token.encode() in file.read_bytes()), lines + 1
            except OSError:
                pass
        print(len(token), shown, lines > 1, token in sys.orig_argv)
    """
    server.give(source, job_token="rw_job_a-long-token-of-a-job")
    async with an_agent(server, tmp_path, monkeypatch):
        await the_report(server)
    assert server.log == b"28 0 True False\n"


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ({"sha256": "0" * 64}, "package_corrupt"),
        ({"content": b"not a zip file"}, "package_corrupt"),
        ({"process": {"id": 1, "name": "p", "script_path": "../../x.py", "package_id": 1,
                      "version": 1}}, "start_failed"),
    ],
)  # fmt: skip
async def test_what_cannot_start_says_why(server, tmp_path, monkeypatch, job, reason):
    server.give("pass", **job)
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
    assert (report["status"], report["reason"], report["started"]) == ("failed", reason, "no")


async def test_a_missing_package_is_told(server, tmp_path, monkeypatch):
    server.failures["/download"] = [404]
    server.give("pass")
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
    assert (report["reason"], report["started"]) == ("package_missing", "no")


async def test_a_script_past_its_time_limit_is_ended(server, tmp_path, monkeypatch):
    server.give("import time; time.sleep(60)", timeout_seconds=1)
    async with an_agent(server, tmp_path, monkeypatch):
        report = await the_report(server)
    assert report["reason"] == "script_timeout"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems stop their clock or not")
def test_the_clock_of_the_fence_goes_on_while_the_machine_sleeps(monkeypatch):
    clocks = {time.CLOCK_BOOTTIME: 3600.0, time.CLOCK_MONOTONIC: 1.0}
    monkeypatch.setattr(time, "clock_gettime", clocks.get)
    assert clock.now() == 3600.0


async def test_a_folder_that_cannot_be_removed_is_tried_again_with_the_next_job(
    server, tmp_path, monkeypatch, caplog
):
    removed = []

    def busy_at_first(folder, rmtree=shutil.rmtree):
        removed.append(folder)
        if len(removed) <= 2:  # once as it is, once with its folders unlocked
            raise OSError(16, "Device or resource busy")
        rmtree(folder)

    busy = SimpleNamespace(rmtree=busy_at_first)
    monkeypatch.setattr("robot_agent.job_folder.shutil", busy)
    async with an_agent(server, tmp_path, monkeypatch):
        server.give("print('first')")
        await server.until(lambda: server.reports)
        server.give("print('second')")
        await server.until(lambda: len(server.reports) == 2)
        await until(lambda: not list((tmp_path / "jobs" / "7").iterdir()))
    assert removed.count(removed[0]) == 3 and "is tried again" in caplog.text


async def test_what_nobody_hears_is_stopped(server, tmp_path, monkeypatch):
    monkeypatch.setattr("robot_agent.heartbeat.FENCE_STOP_SECONDS", 2.0)
    server.give("import time; print('up', flush=True); time.sleep(60)")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.log)
        server.failures["/heartbeat"] = [503] * 100
        report = await the_report(server)
    assert (report["reason"], report["started"]) == ("robot_lost", "yes")
