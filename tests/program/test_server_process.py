"""The server as a program: it is small, survives kill -9, and stops cleanly."""

import asyncio
import os
import subprocess
import sys
from collections import Counter

import aiohttp
import psutil
import pytest

from tests.support.processes import a_server
from tests.support.world import api_at

ROBOTS, JOBS = 16, 500


async def stubborn(api, path, **body):
    """Ask until there is an answer, as the real agent does; return status and body."""
    while True:
        try:
            answer = await api.post(path, **body)
        except (aiohttp.ClientError, ConnectionError):
            await asyncio.sleep(0.02)
            continue
        if answer.status != 503:
            return answer.status, answer.body


async def work(robot, name, seen, statuses):
    """Claim and report until nothing is left; every request is repeated until answered."""
    number = 0
    while True:
        number += 1
        key = f"{name}-{number}"
        status, body = await stubborn(robot, "/api/runner/next-job", claim_key=key)
        statuses[status] += 1
        if body.get("key_used"):
            continue
        job = body["job"]
        if job is None:
            return
        seen[job["id"]].append((name, job["attempt"]))
        status, _ = await stubborn(
            robot,
            f"/api/runner/jobs/{job['id']}/update",
            status="completed",
            attempt=job["attempt"],
            result=name,
        )
        statuses[status] += 1


async def prepare(admin, robots, jobs):
    process = await admin.make_process()
    made = [admin.make_robot(f"robot {number}") for number in range(robots)]
    hands = [await one for one in made]
    created = await asyncio.gather(*(admin.make_job(process) for _ in range(jobs)))
    return hands, {job["id"]: [] for job in created}


async def all_jobs(admin):
    jobs, path = [], "/api/jobs?limit=500"
    while path:
        answer = await admin.ask("GET", path)
        jobs += answer.body
        path = answer.headers.get("Link", "").partition(">")[0].lstrip("<")
    return {job["id"]: job for job in jobs}


async def test_sixteen_robots_claim_five_hundred_jobs_and_each_is_granted_once(admin):
    robots, seen = await prepare(admin, ROBOTS, JOBS)
    statuses = Counter()
    await asyncio.gather(*(work(robot, f"r{n}", seen, statuses) for n, robot in enumerate(robots)))
    assert {len(grants) for grants in seen.values()} == {1}
    assert set(statuses) == {200}
    jobs = await all_jobs(admin)
    assert len(jobs) == JOBS
    assert {job["status"] for job in jobs.values()} == {"completed"}
    assert {id_: job["result"] for id_, job in jobs.items()} == {
        id_: grants[0][0] for id_, grants in seen.items()
    }


async def test_what_was_acknowledged_survives_kill_9_and_every_job_ends(tmp_path, database_url):
    async with a_server(tmp_path / "data", database_url) as server, api_at(server.url) as api:
        admin = await api.sign_in()
        robots, seen = await prepare(admin, 8, 200)
        statuses = Counter()
        working = asyncio.gather(
            *(work(robot, f"r{n}", seen, statuses) for n, robot in enumerate(robots))
        )
        for share in (20, 60, 120):  # three times, while claims and reports are under way
            async with asyncio.timeout(60):
                while sum(map(bool, seen.values())) < share:
                    await asyncio.sleep(0.002)
            await server.kill()
            await server.start()
        async with asyncio.timeout(60):
            await working
        jobs = await all_jobs(admin)
        assert {job["status"] for job in jobs.values()} == {"completed"}
        assert set(jobs) == set(seen)
        assert {job["attempt"] for job in jobs.values()} == {1}
        assert {len(set(grants)) for grants in seen.values()} == {1}
        assert set(statuses) == {200}
        assert await server.stop() == 0


async def test_an_idle_server_is_small(tmp_path):
    async with a_server(tmp_path / "data") as server:
        memory_bytes = psutil.Process(server.process.pid).memory_info().rss
        assert memory_bytes < 90 * 1024 * 1024
        assert await server.stop() == 0


async def test_a_stop_lets_long_polls_go_and_finishes(tmp_path):
    async with a_server(tmp_path / "data") as server, api_at(server.url) as api:
        admin = await api.sign_in()
        robot = await admin.make_robot()
        waiting = asyncio.create_task(robot.post("/api/runner/next-job", 200, wait_seconds=25))
        async with asyncio.timeout(5):
            while b"runwright_waiting_robots 1.0" not in await admin.get("/metrics"):
                await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            assert await server.stop() == 0
            assert await waiting == {"job": None}


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda data: (data / "keys.json").unlink(), "Put it back from your backup"),
        (
            lambda data: (data / "runwright.db").write_bytes(b"nonsense" * 1000),
            "Restore it from a backup",
        ),
    ],
)
async def test_it_refuses_to_start_on_spoiled_data_and_says_why(tmp_path, spoil, sentence):
    data = tmp_path / "data"
    async with a_server(data) as server:
        await server.stop()
    spoil(data)
    refused = subprocess.run(
        [sys.executable, "-m", "orchestrator_server", "serve", "--port", "0", "--data", data],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert refused.returncode == 78
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_user_is_created_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "orchestrator_server", "user", "create", "ada", "--admin"]
    options = ["--password-stdin", "--data", str(tmp_path / "data")]

    def run(password):
        return subprocess.run(
            [*command, *options], input=password, capture_output=True, text=True, timeout=20
        )

    short = run("short\n")
    assert (short.returncode, "12 to 1024 characters" in short.stderr) == (78, True)
    assert run("correct horse battery\n").stdout == "User ada was created.\n"
    again = run("correct horse battery\n")
    assert (again.returncode, "There is a user ada already." in again.stderr) == (78, True)


def test_the_demo_runs_every_example_and_leaves_nothing_behind(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator_server", "demo", "--once"],
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "All jobs completed." in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_several_workers_on_sqlite_are_refused_with_the_reason(tmp_path):
    command = [sys.executable, "-m", "orchestrator_server", "serve", "--workers", "2", "--data"]
    ended = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 78
    assert "needs PostgreSQL" in ended.stderr
