"""How an agent stands, as people, programs and the service manager hear it."""

import asyncio
import json
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from robot_agent import metrics, notify, standing
from robot_agent import status as asking
from robot_agent.standing import RobotStanding
from tests.agent.fake_server import serving
from tests.agent.running_agent import an_agent, the_program
from tests.agent.test_agent import WAITS_FOR_A_FILE, drain, ended
from tests.agent.waiting import until

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="starts the program with POSIX paths"
)


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


@pytest.fixture
def port(unused_tcp_port):
    return unused_tcp_port


@asynccontextmanager
async def an_agent_with_port(server, folder, port, **variables):
    variables = {"RUNWRIGHT_HEALTH_PORT": str(port), **variables}
    async with the_program(server, folder, **variables) as program:
        await until((folder / "health-port").exists)
        yield program


async def get(port, path, host="127.0.0.1"):
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}{path}"
        async with session.get(url, headers={"Host": f"{host}:{port}"}) as answer:
            return answer.status, await answer.text()


async def is_healthy(port):
    return (await get(port, "/health"))[0] == 200


async def until_healthy(port):
    async with asyncio.timeout(10):
        while not await is_healthy(port):
            await asyncio.sleep(0.05)


async def status(data, *options):
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "robot_agent", "status", "--data", str(data), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await program.communicate()
    return program.returncode, output.decode() + errors.decode()


async def test_it_is_well_once_its_robots_are_registered_and_tells_its_jobs(server, tmp_path, port):
    go = tmp_path / "go"
    server.failures["/register-robot"] = [503]
    async with an_agent_with_port(server, tmp_path / "data", port):
        code, said = await get(port, "/health")
        assert (code, "to register bert" in said) == (503, True)
        job_id = server.give(WAITS_FOR_A_FILE.format(str(go)))
        await until_healthy(port)
        await server.until(lambda: server.log)
        at = json.loads((await get(port, "/status"))[1])
        code, said = await status(tmp_path / "data")
        go.touch()
        await server.until(lambda: server.reports)
    assert (at["state"], at["healthy"], at["url"]) == ("working", True, server.url)
    robot = at["robots"][0]
    assert robot["acknowledged_at"] and robot["jobs_taken"] == 1 and robot["takes_no_jobs"] is None
    assert (robot["job"]["id"], robot["job"]["phase"]) == (job_id, "running")
    assert code == 0
    assert re.search(rf"bert: heard \d+ s ago; job {job_id} \(attempt 1\), running", said)


async def test_an_agent_that_nobody_hears_is_not_well(server, tmp_path, port, monkeypatch):
    monkeypatch.setattr(standing, "SILENT_SECONDS", 0)
    monkeypatch.setattr(standing, "BEATS", 0.5)
    async with an_agent(server, tmp_path, monkeypatch) as agent:
        await server.until(lambda: server.beats)
        assert agent._lookout.is_healthy()
        server.failures["/heartbeat"] = [503] * 1000
        await until(lambda: not agent._lookout.is_healthy())
        assert agent._lookout.summary() == f"{server.url} does not hear bert."
        assert agent._lookout.is_alive()  # a new start would help nothing
        server.failures.clear()
        await until(agent._lookout.is_healthy)


async def test_what_prometheus_reads_is_in_its_format(server, tmp_path, port):
    async with an_agent_with_port(server, tmp_path / "data", port):
        await until_healthy(port)
        _, said = await get(port, "/metrics")
    families = {f.name: f for f in text_string_to_metric_families(said)}
    assert families["runwright_agent_healthy"].samples[0].value == 1
    assert families["runwright_agent_robot_registered"].samples[0].labels == {"robot": "bert"}
    assert families["runwright_agent_disk_free_bytes"].samples[0].value > 2**20
    assert {f.documentation != "" for f in families.values()} == {True}


def test_a_name_with_quotes_is_a_label_still():
    robot = RobotStanding(name='a "b" \\ \n c')
    text = "".join(map(metrics._spelled, metrics._of_robots([robot])))
    parsed = list(text_string_to_metric_families(text))
    assert {sample.labels["robot"] for f in parsed for sample in f.samples} == {robot.name}


async def test_a_page_of_the_web_that_takes_the_name_of_this_machine_is_told_nothing(
    server, tmp_path, port
):
    async with an_agent_with_port(server, tmp_path / "data", port):
        assert (await get(port, "/status", host="evil.example"))[0] == 403
        assert (await get(port, "/status", host="localhost"))[0] == 200


async def test_a_port_that_is_taken_ends_the_program_with_78(server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        async with the_program(server, tmp_path, RUNWRIGHT_HEALTH_PORT=taken) as program:
            code, errors = await ended(program)
    assert code == 78 and f"Port {taken}" in errors and "Traceback" not in errors


async def test_without_a_port_the_folder_tells_what_it_can(server, tmp_path):
    data, go = tmp_path / "data", tmp_path / "go"
    assert (await status(data))[0] == 3
    job_id = server.give(WAITS_FOR_A_FILE.format(str(go)))
    async with the_program(server, data) as program:
        await server.until(lambda: server.log)
        code, said = await status(data)
        assert code == 0 and "An agent works in" in said and f"bert: job {job_id}" in said
        program.kill()
        await ended(program)
    code, said = await status(data, "--json")
    told = json.loads(said)
    assert (code, told["running"]) == (3, False)
    assert told["unfinished"] == [{"robot": "bert", "job": job_id, "attempt": 1,
                                   "state": told["unfinished"][0]["state"]}]  # fmt: skip


async def test_an_agent_that_is_stuck_is_told(server, tmp_path, port, monkeypatch):
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.3)
    async with an_agent_with_port(server, tmp_path / "data", port) as program:
        program.send_signal(signal.SIGSTOP)
        asked = await asyncio.to_thread(
            CliRunner().invoke, asking.command, ["--data", str(tmp_path / "data")]
        )
        program.send_signal(signal.SIGCONT)
    assert asked.exit_code == 1 and "it may be stuck" in asked.output


async def test_a_folder_of_an_agent_that_was_killed_does_not_pass_for_one_at_work(
    server, tmp_path, port
):
    async with an_agent_with_port(server, tmp_path / "data", port) as program:
        program.kill()
        await ended(program)
    code, said = await status(tmp_path / "data")
    assert code == 3 and "No agent works in" in said


@asynccontextmanager
async def a_service_manager(tmp_path):
    """Hears what a service tells."""
    heard = []

    class Hears(asyncio.DatagramProtocol):
        def datagram_received(self, data, _):
            heard.extend(data.decode().splitlines())

    address = str(tmp_path / "notify")
    listens = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listens.bind(address)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Hears, sock=listens)
    try:
        yield heard, {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "300000"}
    finally:
        transport.close()


async def test_systemd_hears_of_it_when_all_robots_are_registered(server, tmp_path):
    server.failures["/register-robot"] = [503] * 1000
    async with a_service_manager(tmp_path) as (heard, variables):
        variables |= {"RUNWRIGHT_ROBOTS": "2"}
        async with the_program(server, tmp_path / "data", **variables):
            await server.until(lambda: len(server.failures["/register-robot"]) <= 998)
            assert "READY=1" not in heard
            server.failures["/register-robot"].clear()
            assert any("to register" in line for line in heard)
            await until(lambda: "READY=1" in heard)
            assert len(server.registered) == 2
            await until(lambda: "WATCHDOG=1" in heard[heard.index("READY=1") :])
            await until(lambda: "STATUS=Working: no job." in heard)
            assert (await drain(tmp_path / "data", "--json"))[:2] == (0, '{"drained": true}\n')
    assert "STOPPING=1" in heard


async def test_the_watchdog_is_fed_while_the_heart_tries_and_not_when_it_is_stuck(
    tmp_path, monkeypatch
):
    alive = [True]
    async with a_service_manager(tmp_path) as (heard, variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        telling = asyncio.create_task(notify.keep_telling(lambda: alive[0], lambda: "fine"))
        await until(lambda: heard.count("WATCHDOG=1") > 2)
        alive[0] = False
        await asyncio.sleep(0.15)
        heard.clear()
        await until(lambda: len(heard) > 2)
        telling.cancel()
    assert set(heard) == {"STATUS=fine"}


def test_the_watchdog_of_another_process_is_not_ours(monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    assert notify.watchdog_seconds() == 1
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert notify.watchdog_seconds() is None


async def test_after_its_minutes_a_stop_ends_the_jobs(server, tmp_path, monkeypatch):
    server.give(WAITS_FOR_A_FILE.format(str(tmp_path / "never")))
    async with an_agent(server, tmp_path / "data", monkeypatch) as agent:
        agent._config = msgspec.structs.replace(agent._config, finish_minutes=0.01)
        await server.until(lambda: server.log)
        agent.stop()
        await server.until(lambda: server.reports)
    assert server.reports[0]["reason"] == "operator"


def test_every_metric_is_named_in_the_docs():
    source = Path(metrics.__file__).read_text()
    names = re.findall(r'(?:_Metric|each)\(\s*"(\w+)"', source)
    described = (Path(__file__).parents[2] / "docs/agent.md").read_text()
    assert names and [name for name in names if f"runwright_agent_{name}" not in described] == []
