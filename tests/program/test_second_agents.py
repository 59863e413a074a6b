"""Two real agents with one name and key, both idle: the later one ends, the first one works on."""

import asyncio
import os
import shutil
import sys
from contextlib import asynccontextmanager

import pytest

from tests.support.world import archive
from tests.test_journey import job_when

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

LEASE_SECONDS = 60


@asynccontextmanager
async def an_agent(admin, machine, data, robots=1):
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_agent", "run", "--url", admin.url, "--name", "bot"),
        *("--robots", str(robots), "--data", str(data)),
        env={**os.environ, "RUNWRIGHT_MACHINE_KEY": machine["machine_key"]},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()


async def registered(admin, robots):
    async with asyncio.timeout(30):
        while len(await robots_online(admin)) < robots:
            await asyncio.sleep(0.05)


async def robots_online(admin):
    return [robot for robot in await admin.get("/api/robots") if robot["status"] == "online"]


async def runs(admin, process, seconds=20):
    async with asyncio.timeout(seconds):
        ended = await job_when(admin, await admin.make_job(process), "completed", "failed")
    return ended["status"]


@pytest.mark.parametrize("robots", [1, 3])
@pytest.mark.parametrize("variant", ["other folder", "copied folder"])
async def test_the_later_one_ends_with_75_and_a_restart_is_none(admin, tmp_path, variant, robots):
    machine = await admin.post("/api/machines", 201, name="mill")
    process = await admin.make_process(content=archive(main="print('done')"))
    async with an_agent(admin, machine, tmp_path / "first", robots) as first:
        await registered(admin, robots)
        if variant == "copied folder":
            shutil.copytree(tmp_path / "first", tmp_path / "second")
        async with an_agent(admin, machine, tmp_path / "second", robots) as second:
            async with asyncio.timeout(LEASE_SECONDS):
                _, said = await second.communicate()
        assert second.returncode == 75
        assert b"registered first" in said
        assert first.returncode is None
        assert await runs(admin, process) == "completed"
        # Started again by its service, it disturbs nothing: it is known by its folder.
        async with an_agent(admin, machine, tmp_path / "second", robots) as again:
            async with asyncio.timeout(10):
                await again.communicate()
        assert again.returncode == 75
        assert await runs(admin, process) == "completed"
        first.kill()
        await first.wait()
    async with an_agent(admin, machine, tmp_path / "first", robots) as restarted:
        assert await runs(admin, process) == "completed"
        assert restarted.returncode is None
    assert any(robot["duplicate_agent_at"] for robot in await admin.get("/api/robots"))
    audit = await admin.get("/api/audit?entity_type=robot")
    actions = [event["action"] for event in audit["items"]]
    assert "robot.duplicate_refused" in actions
    assert actions.count("robot.registered") <= 3 * robots  # each time that it is another agent
