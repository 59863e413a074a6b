"""One job from the first request to the last audit event. Start reading here.

A real server on a real socket and the real agent as its own process, on both databases.
"""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import pytest

from tests.support.world import archive

GREET = """
from sdk.runtime import job
job.progress(0.5, "half way")
print("hello", job.parameters["who"])
job.result = {"greeted": job.parameters["who"]}
"""
TYPED = """
import helper
async def bill(customer: str, limit: int = 10):
    return {"billed": helper.shout(customer), "limit": limit}
"""
HELPER = "def shout(text): return text.upper()"
FINISH_EARLY = """
import time
from sdk.runtime import job
print('begun', flush=True)
while not job.should_stop:
    time.sleep(0.02)
job.result = "as far as I got"
"""
WAIT = "import time; print('begun', flush=True); time.sleep(60)"


@asynccontextmanager
async def a_robot_at_work(admin, tmp_path):
    """A machine is made; its agent works, as a process of its own, until the block is over."""
    machine = await admin.post("/api/machines", 201, name="mill")
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_agent", "run"),
        *("--url", admin.url, "--name", "robot", "--data", str(tmp_path / "agent")),
        env={**os.environ, "RUNWRIGHT_MACHINE_KEY": machine["machine_key"]},
    )
    try:
        yield
        agent.terminate()
        async with asyncio.timeout(30):
            assert await agent.wait() == 0
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()


async def job_when(admin, job, *statuses):
    async with asyncio.timeout(20):
        while True:
            now = await admin.get(f"/api/jobs/{job['id']}")
            if now["status"] in statuses:
                return now
            await asyncio.sleep(0.02)


async def log_when(admin, job, wanted):
    async with asyncio.timeout(20):
        while wanted not in (log := await admin.get(f"/api/jobs/{job['id']}/logs")):
            await asyncio.sleep(0.02)
        return log


async def audit_trail(admin, job):
    page = await admin.get(f"/api/audit?entity_type=job&entity_id={job['id']}")
    return [(event["actor_username"], event["action"]) for event in reversed(page["items"])]


async def test_a_job_is_asked_for_run_and_remembered(admin, tmp_path):
    # Given a package with a script, and a process that runs it
    process = await admin.make_process("greet", archive(main=GREET))

    # When somebody asks for a job and a robot is at work
    asked = await admin.make_job(process, parameters={"who": "world"})
    async with a_robot_at_work(admin, tmp_path):
        job = await job_when(admin, asked, "completed", "failed")

    # Then it has run once, and everything about it is known
    assert (job["status"], job["result"], job["attempt"]) == (
        "completed",
        {"greeted": "world"},
        1,
    )
    assert (job["robot_name"], job["package_version"]) == ("robot", "1.0.0")
    assert await admin.get(job["logs_path"]) == b"hello world\n"
    assert await audit_trail(admin, job) == [
        ("admin", "job.created"),
        ("robot", "job.claimed"),
        ("robot", "job.completed"),
    ]


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("raise SystemExit(3)", "The script exited with status 3."),
        (
            "import sys; sys.exit('Login to SAP failed: user locked')",
            "Login to SAP failed: user locked. The script exited with status 1.",
        ),
        (
            "print('1 of 2')\nraise ValueError('no such customer 4711')",
            "ValueError: no such customer 4711. The script exited with status 1.",
        ),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    ],
)
async def test_a_script_that_fails_is_told_how(admin, tmp_path, script, sentence):
    process = await admin.make_process("fail", archive(main=script))
    asked = await admin.make_job(process)
    async with a_robot_at_work(admin, tmp_path):
        job = await job_when(admin, asked, "completed", "failed")
    assert (job["status"], job["reason"]) == ("failed", "script_failed")
    assert sentence in job["error_message"]


async def test_a_person_can_stop_a_running_job(admin, tmp_path):
    process = await admin.make_process("wait", archive(main=WAIT))
    asked = await admin.make_job(process)
    async with a_robot_at_work(admin, tmp_path):
        await log_when(admin, asked, b"begun")
        await admin.post(f"/api/jobs/{asked['id']}/cancel", 200)
        # The robot is free again only when the script is gone.
        after = await admin.make_job(await admin.make_process("greet", archive(main=GREET)),
                                     parameters={"who": "you"})  # fmt: skip
        assert (await job_when(admin, after, "completed", "failed"))["status"] == "completed"

    assert (await admin.get(f"/api/jobs/{asked['id']}"))["status"] == "canceled"
    assert ("admin", "job.canceled") in await audit_trail(admin, asked)


async def test_a_package_is_only_for_robots_that_may_run_it(admin):
    fits = await admin.make_process("fits", archive(main=WAIT), labels=["a"])
    other = await admin.make_process("other", archive(main=WAIT), labels=["a", "b"])
    unused = await admin.upload("unused")
    robot = await admin.make_robot(labels=["a"])
    ids = [fits["package_id"], other["package_id"], unused["id"]]
    answers = [await robot.ask("GET", f"/api/packages/{number}/download") for number in ids]
    assert [answer.status for answer in answers] == [200, 403, 403]


async def test_a_function_is_called_with_the_parameters_and_its_answer_is_the_result(
    admin, tmp_path
):
    package = await admin.upload("bills", content=archive(main=TYPED, helper=HELPER))
    wanted = {"name": "bill", "package_id": package["id"], "script_path": "main.py:bill"}
    process = await admin.post("/api/processes", 201, **wanted)
    job = await admin.make_job(process, parameters={"customer": "ada"})
    async with a_robot_at_work(admin, tmp_path):
        done = await job_when(admin, job, "completed", "failed")
    assert done["result"] == {"billed": "ADA", "limit": 10}


async def test_a_script_that_is_asked_to_finish_early_ends_as_it_likes(admin, tmp_path):
    await admin.ask("PUT", "/api/settings/jobs", status=200, json={"heartbeat_seconds": 1})
    job = await admin.make_job(await admin.make_process(content=archive(main=FINISH_EARLY)))
    async with a_robot_at_work(admin, tmp_path):
        await log_when(admin, job, b"begun")
        await admin.post(f"/api/jobs/{job['id']}/stop", 200)
        done = await job_when(admin, job, "completed", "failed", "canceled")
    assert (done["status"], done["result"]) == ("completed", "as far as I got")
