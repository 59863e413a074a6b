"""The program: how it starts, how it stops, and the status it leaves."""

import asyncio
import signal
import sys
from contextlib import closing

import pytest

from robot_agent.journal import Journal, Unwritable, open_file, read_entries
from tests.agent.fake_server import serving
from tests.agent.running_agent import an_agent, the_program
from tests.agent.waiting import is_alive, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")

WAITS_FOR_A_FILE = """if 1:
    import pathlib, time
    print('up', flush=True)
    while not pathlib.Path({!r}).exists():
        time.sleep(0.02)
"""


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


async def ended(program, seconds=10):
    async with asyncio.timeout(seconds):
        _, errors = await program.communicate()
    return program.returncode, errors.decode()


async def test_the_first_signal_lets_the_job_finish_and_takes_no_more(server, tmp_path):
    go = tmp_path / "go"
    server.give(WAITS_FOR_A_FILE.format(str(go)))
    async with the_program(server, tmp_path / "data") as program:
        await server.until(lambda: server.log)
        program.send_signal(signal.SIGTERM)
        server.give("print('second')")
        go.touch()
        status, errors = await ended(program)
    assert (status, [report["status"] for report in server.reports]) == (0, ["completed"])
    assert "Stopping" in errors and "robot-token" not in errors and "good-key" not in errors


async def test_drain_lets_the_job_finish_and_returns_when_the_agent_has_ended(server, tmp_path):
    go, data = tmp_path / "go", tmp_path / "data"
    server.give(WAITS_FOR_A_FILE.format(str(go)))
    async with the_program(server, data) as program:
        await server.until(lambda: server.log)
        server.give("print('second')")
        patient = asyncio.create_task(drain(data))
        await until((data / "drain").exists)
        status, _, errors = await drain(data, "--wait-seconds", "0.5")
        assert (status, program.returncode) == (75, None) and "still drains" in errors
        go.touch()
        status, output, _ = await patient
        assert status == 0 and "has finished its jobs" in output
        assert (await ended(program))[0] == 0
    assert [report["status"] for report in server.reports] == ["completed"]


async def test_drain_says_when_there_is_no_agent_and_the_next_start_is_not_drained(
    server, tmp_path
):
    status, _, errors = await drain(tmp_path / "data")
    assert status == 78 and "No agent works in" in errors
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "drain").touch()  # of an agent that was killed while it drained
    server.give("print('done')")
    async with the_program(server, tmp_path / "data"):
        await server.until(lambda: server.reports)


async def drain(data, *options):
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "robot_agent", "drain", "--data", str(data), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        output, errors = await program.communicate()
    return program.returncode, output.decode(), errors.decode()


async def test_the_second_signal_ends_the_job(server, tmp_path):
    server.give(WAITS_FOR_A_FILE.format(str(tmp_path / "never")))
    async with the_program(server, tmp_path / "data") as program:
        await server.until(lambda: server.log)
        program.send_signal(signal.SIGTERM)
        line = b""
        while b"Stopping" not in line:
            line = await program.stderr.readline()
        program.send_signal(signal.SIGTERM)
        status, _ = await ended(program)
    assert status == 0
    assert (server.reports[0]["reason"], server.reports[0]["started"]) == ("operator", "yes")


async def test_an_idle_agent_stops_at_once_and_asks_one_last_time(server, tmp_path):
    async with the_program(server, tmp_path / "data") as program:
        await server.until(lambda: server.claims)
        program.send_signal(signal.SIGINT)
        assert (await ended(program))[0] == 0
    first, last = server.claims
    assert first["claim_key"] == last["claim_key"] and last["wait_seconds"] == 0


async def test_a_report_that_was_not_delivered_is_sent_at_the_next_start(
    server, tmp_path, monkeypatch
):
    server.failures["/update"] = [503] * 1000
    server.give("print('done')")
    async with an_agent(server, tmp_path, monkeypatch) as agent:
        await server.until(lambda: len(server.failures["/update"]) < 1000)
        agent.stop()
        agent.stop()
    assert server.reports == []
    server.failures.clear()

    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
    assert (len(server.reports), server.reports[0]["status"]) == (1, "completed")
    assert list((tmp_path / "jobs" / "7").iterdir()) == []


@pytest.mark.parametrize("is_writable", [True, False])
async def test_what_a_robot_of_another_name_left_is_reported_and_forgotten(
    server, tmp_path, monkeypatch, is_writable
):
    server.failures["/update"] = [503] * 1000
    server.give("print('done')")
    async with an_agent(server, tmp_path, monkeypatch) as agent:
        await server.until(lambda: len(server.failures["/update"]) < 1000)
        agent.stop()
        agent.stop()
    server.failures.clear()

    async def full(self, robot):
        raise Unwritable("The journal cannot be written: it is full.")

    if not is_writable:
        monkeypatch.setattr(Journal, "forget", full)
    async with an_agent(server, tmp_path, monkeypatch, name="carl") as agent:
        await server.until(lambda: server.reports)
        await until(lambda: set(agent._lookout.hearts) == {"carl"})
        server.give("print('again')")  # the others go on
        await server.note()
        await server.until(lambda: len(server.reports) == 2)
    with closing(open_file(tmp_path / "journal.db")) as db:
        left = {entry.robot for entry in read_entries(db)}
    assert left == ({"carl"} if is_writable else {"bert", "carl"})


async def test_a_killed_agent_leaves_no_process_once_it_is_back(server, tmp_path):
    pid_file = tmp_path / "pid"
    server.give(
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        "print('up', flush=True); time.sleep(60)"
    )
    async with the_program(server, tmp_path / "data") as program:
        await server.until(lambda: server.log)
        program.kill()
        await ended(program)
    async with the_program(server, tmp_path / "data"):
        await server.until(lambda: server.reports)
    assert server.reports[0]["reason"] == "agent_restarted"
    await until(lambda: not is_alive(int(pid_file.read_text())))


async def test_what_a_killed_agent_did_not_send_is_sent_without_secrets(server, tmp_path):
    """It reads the secret by hand: its earlier life knew of none."""
    server.failures["/logs"] = [503] * 1000
    server.give("import os; print('word is hunter22', flush=True); os.kill(os.getppid(), 9)")
    async with the_program(server, tmp_path / "data") as program:
        await ended(program)
    server.failures.clear()
    server.secrets_read = ["hunter22"]
    async with the_program(server, tmp_path / "data"):
        await server.until(lambda: server.reports)
    assert server.log == b"word is ********\n"


async def test_a_refused_key_ends_the_program_with_77(server, tmp_path):
    async with the_program(server, tmp_path, RUNWRIGHT_MACHINE_KEY="bad-key") as program:
        status, errors = await ended(program)
    assert status == 77 and "machine key" in errors and "bad-key" not in errors


async def test_a_name_of_another_machine_ends_the_program_with_75(server, tmp_path):
    server.failures["/register-robot"] = [409]
    async with the_program(server, tmp_path) as program:
        assert (await ended(program))[0] == 75


async def test_a_second_agent_on_the_same_folder_ends_with_73(server, tmp_path):
    async with the_program(server, tmp_path) as first:
        await server.until(lambda: server.claims)
        async with the_program(server, tmp_path) as second:
            assert (await ended(second))[0] == 73
        assert first.returncode is None


async def test_without_a_key_the_program_ends_with_78(server, tmp_path):
    async with the_program(server, tmp_path, RUNWRIGHT_MACHINE_KEY="") as program:
        status, errors = await ended(program)
    assert status == 78 and "RUNWRIGHT_MACHINE_KEY" in errors
