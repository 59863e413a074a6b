"""Several servers on one PostgreSQL: they wake each other's robots, and one of them leads."""

import asyncio
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import psutil
import psycopg
import pytest

from orchestrator_server.app import create_app
from orchestrator_server.db import postgres_peers
from orchestrator_server.db.postgres_peers import NAME, PAYLOAD_BYTES, PostgresPeers
from orchestrator_server.http.keys import MAINTENANCE, ORDERS, WAKEUPS
from orchestrator_server.maintenance import loop
from tests.conftest import serving
from tests.faults.doctor import broken_promises
from tests.faults.test_clock_faults import SPOIL
from tests.program.test_server_process import all_jobs, prepare, work
from tests.support import postgres
from tests.support.postgres import asked
from tests.support.processes import ServerProcess
from tests.support.world import api_at

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@asynccontextmanager
async def two_servers(config):
    """Each with its administrator's view; they lead and hear before a test begins."""
    async with AsyncExitStack() as stack:
        servers, admins = [], []
        for _ in range(2):
            server = await stack.enter_async_context(serving(create_app(config)))
            api = await stack.enter_async_context(api_at(server["url"]))
            servers.append(server)
            admins.append(await api.sign_in())
        await until(lambda: all(not peers_of(server).is_alone for server in servers))
        await until(lambda: sum(leads(server) for server in servers) == 1)
        yield servers, admins


def peers_of(server):
    return server[MAINTENANCE]._peers


def leads(server):
    return peers_of(server).is_leader


def spoil_leases(config):
    with psycopg.connect(config.database_url, autocommit=True) as connection:
        connection.execute(SPOIL)


async def until(is_so, seconds=20):
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
def no_look(monkeypatch):
    """Only a hint can wake anybody."""
    monkeypatch.setattr(loop, "LOOK_SECONDS", 3600)


async def test_a_job_wakes_a_robot_that_waits_at_another_server(config, no_look):
    async with two_servers(config) as (servers, (here, there)):
        process = await here.make_process()
        await here.make_robot("unfit")
        robot = await there.make_robot("fit", labels=["sap"])
        claim = asyncio.create_task(
            robot.post("/api/runner/next-job", 200, claim_key="k", wait_seconds=20)
        )
        await until(lambda: servers[1][WAKEUPS].count)
        job = await here.make_job(process, labels=["sap"])
        async with asyncio.timeout(10):
            assert (await claim)["job"]["id"] == job["id"]


async def test_a_cancellation_reaches_a_robot_that_waits_at_another_server(config):
    async with two_servers(config) as (servers, (here, there)):
        await here.make_job(await here.make_process())
        robot = await there.make_robot()
        job = (await robot.post("/api/runner/next-job", 200, claim_key="k"))["job"]
        path = f"/api/runner/jobs/{job['id']}/order?attempt=1&wait_seconds=20"
        order = asyncio.create_task(robot.get(path))
        await until(lambda: servers[1][ORDERS].count)
        await here.post(f"/api/jobs/{job['id']}/cancel", 200)
        async with asyncio.timeout(10):
            assert (await order)["action"] == "stop"


async def test_another_server_leads_when_the_leader_stops_or_loses_its_connection(config):
    async with two_servers(config) as (servers, _):
        url = config.database_url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
                " AND objid = 5279829 AND granted"
            )
        await until(lambda: sum(leads(server) for server in servers) == 1)
        leader, other = sorted(servers, key=leads, reverse=True)
        await peers_of(leader).stop()
        await until(lambda: leads(other))
        assert not leads(leader)


async def test_who_comes_to_lead_finds_the_jobs_of_robots_that_are_gone(config):
    async with two_servers(config) as (servers, (admin, _)):
        leader, other = sorted(servers, key=leads, reverse=True)
        for server in servers:
            server[MAINTENANCE]._tick_seconds = 0.1
        job = await admin.make_job(await admin.make_process(max_attempts=1))
        robot = await admin.make_robot()
        await robot.post("/api/runner/next-job", 200, claim_key="k")
        await peers_of(leader).stop()
        await until(lambda: leads(other))
        async with asyncio.timeout(20):
            while (seen := await admin.get(f"/api/jobs/{job['id']}"))["status"] == "running":
                spoil_leases(config)  # again, for whoever comes to lead renews them once
                await asyncio.sleep(0.05)
        assert seen["reason"] == "robot_lost"


def test_hints_go_together_and_never_beyond_what_fits(database_url):
    peers = PostgresPeers(database_url, None)
    hints = [b"%04d" % number + b"x" * 96 for number in range(200)]
    peers._waiting.extend([*hints, b"y" * PAYLOAD_BYTES, *hints])
    payloads = []
    while peers._waiting:
        payloads.append(peers._take())
    assert all(len(payload) <= PAYLOAD_BYTES for payload in payloads)
    told = [hint.encode() for payload in payloads for hint in payload.split("\n")[1:]]
    assert told == hints * 2  # each job wants a robot of its own
    assert len(payloads) <= 7


async def test_as_many_robots_are_woken_elsewhere_as_there_are_jobs(config, no_look):
    async with two_servers(config) as (servers, (here, there)):
        process = await here.make_process()
        robots = [await there.make_robot(f"robot {n}") for n in range(5)]
        claims = [
            asyncio.create_task(
                robot.post("/api/runner/next-job", 200, claim_key="k", wait_seconds=20)
            )
            for robot in robots
        ]
        await until(lambda: servers[1][WAKEUPS].count == 5)
        await asyncio.gather(*(here.make_job(process) for _ in range(5)))
        async with asyncio.timeout(10):
            assert all(answer["job"] for answer in await asyncio.gather(*claims))


async def test_a_leader_that_is_frozen_is_replaced(config, monkeypatch):
    monkeypatch.setattr(postgres_peers, "FROZEN_SECONDS", 2)
    url = config.database_url
    with psycopg.connect(url, autocommit=True, application_name=NAME) as frozen:
        frozen.execute("SELECT pg_advisory_lock(5279829)")
        async with two_servers(config):  # one of them comes to lead
            with pytest.raises(psycopg.OperationalError):
                frozen.execute("SELECT 1")


async def test_who_starts_beside_a_leader_leaves_the_leases_alone(config):
    async with two_servers(config) as (_, (admin, _)):
        await admin.make_job(await admin.make_process())
        await (await admin.make_robot()).post("/api/runner/next-job", 200, claim_key="k")
        lease = "SELECT lease_until FROM jobs"
        before = asked(config.database_url, lease)
        async with serving(create_app(config)):
            assert asked(config.database_url, lease) == before


async def test_a_hint_that_is_none_is_ignored(config, no_look):
    async with two_servers(config) as (servers, (here, there)):
        with psycopg.connect(config.database_url, autocommit=True) as connection:
            for payload in ("", "x", 'x\n{"job": 1}'):
                connection.execute("SELECT pg_notify('runwright', %s)", (payload,))
        robot = await there.make_robot()
        claim = asyncio.create_task(
            robot.post("/api/runner/next-job", 200, claim_key="k", wait_seconds=20)
        )
        await until(lambda: servers[1][WAKEUPS].count)
        await here.make_job(await here.make_process())
        async with asyncio.timeout(10):
            assert (await claim)["job"]


async def test_a_bug_in_what_hears_does_not_end_the_hearing(config, no_look, monkeypatch):
    async with two_servers(config) as (servers, (here, there)):
        peers = peers_of(servers[1])
        failing, looked, look = [RuntimeError("a bug")], [], peers._look

        async def fail_once(connection):
            if failing:
                raise failing.pop()
            await look(connection)
            looked.append(True)

        monkeypatch.setattr(peers, "_look", fail_once)
        await until(lambda: looked)
        await until(lambda: not peers_of(servers[0]).is_alone)  # it may have seen us gone
        robot = await there.make_robot()
        claim = asyncio.create_task(
            robot.post("/api/runner/next-job", 200, claim_key="k", wait_seconds=20)
        )
        await until(lambda: servers[1][WAKEUPS].count)
        await here.make_job(await here.make_process())
        async with asyncio.timeout(10):
            assert (await claim)["job"]


async def test_workers_share_the_work_and_one_that_dies_is_replaced(config):
    server = ServerProcess(config.data, config.database_url)
    server._arguments += ["--workers", "2"]
    await server.start()
    try:
        workers = await both(server)
        async with api_at(server.url) as api:
            admin = await api.sign_in()
            robots, seen = await prepare(admin, 8, 200)
            statuses = Counter()
            working = asyncio.gather(
                *(work(robot, f"r{n}", seen, statuses) for n, robot in enumerate(robots))
            )
            await until(lambda: sum(map(bool, seen.values())) > 20)
            workers[0].kill()
            async with asyncio.timeout(60):
                await working
            jobs = await all_jobs(admin)
        assert {job["status"] for job in jobs.values()} == {"completed"}
        assert {job["attempt"] for job in jobs.values()} == {1}
        workers = await both(server)
        assert await server.stop() == 0
        assert not any(worker.is_running() for worker in workers)
    finally:
        if server.process.returncode is None:
            await server.kill()
    assert await broken_promises(config.data, config.database_url) == {}


async def test_a_worker_that_finds_no_database_when_it_comes_back_is_started_again(config):
    with postgres.cluster() as cluster:
        server = ServerProcess(config.data, cluster.url)
        server._arguments += ["--workers", "2"]
        await server.start()
        try:
            workers = await both(server)
            await until(lambda: all(map(listens, workers)), seconds=60)
            await asyncio.to_thread(cluster.stop, "fast")
            workers[0].kill()
            await asyncio.to_thread(workers[0].wait)
            second = {worker.pid for worker in await both(server)}
            await until(lambda: not second <= alive(server), seconds=40)  # and ended again
            await asyncio.to_thread(cluster.start)
            await both(server)
            async with api_at(server.url) as api:
                await until_ready(api)
            assert await server.stop() == 0
        finally:
            if server.process.returncode is None:
                await server.kill()


def listens(worker):
    return any(found.status == psutil.CONN_LISTEN for found in worker.net_connections())


def alive(server):
    return {child.pid for child in psutil.Process(server.process.pid).children()}


async def until_ready(api):
    async with asyncio.timeout(60):
        while (await api.ask("GET", "/api/health/ready")).status != 200:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("more", [["--port", "99999"], ["--host", "no.such.host.example"]])
async def test_an_address_that_cannot_be_used_is_said_in_a_sentence(config, more):
    command = [sys.executable, "-m", "orchestrator_server", "serve", "--data", str(config.data)]
    ended = await asyncio.to_thread(
        subprocess.run,
        [*command, "--database-url", config.database_url, "--workers", "2", *more],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 78
    assert "cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_workers_end_when_their_parent_is_gone(config):
    server = ServerProcess(config.data, config.database_url)
    server._arguments += ["--workers", "2"]
    await server.start()
    workers = await both(server)
    await server.kill()
    await until(lambda: not any(is_alive(worker) for worker in workers), seconds=30)


async def both(server):
    """The two workers, once they are there."""
    parent = psutil.Process(server.process.pid)
    found = []

    def are_there():
        found.clear()
        for child in parent.children():
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
        return len(found) == 2

    await until(are_there)
    return list(found)


def is_alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
