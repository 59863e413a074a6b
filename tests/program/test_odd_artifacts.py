"""Artifacts that a real server or a real robot does not keep: each costs itself alone."""

import asyncio
import sys

import pytest

from tests.program.test_secrets import SECRET, a_job, a_robot, all_that_is_said, shows_something
from tests.test_journey import job_when

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="names of POSIX")

LEAVES = r"""
import os
from sdk.runtime import assets
value = assets.get('door')
os.mkdir('artifacts')
names = [b'a.txt', b'CON', b'a\nb', b'rechnung_m\xfcller.pdf', b'zz.txt', b'l' * 255, b'.']
names += [b'\xff' + value.encode(), b'\n' + value.encode()]
for name in names:
    folder = b'artifacts/' + (b'x' * 200 if name == b'.' else b'')
    os.makedirs(folder, exist_ok=True)
    open(folder + b'/' + (b'y' * 200 if name == b'.' else name), 'w').write('x')
os.mkfifo('artifacts/pipe')
"""


async def test_the_others_arrive_and_the_log_names_it_and_why_without_secrets(admin, tmp_path):
    job, machine, _ = await a_job(admin, LEAVES, value=SECRET.replace("/", ""))
    async with a_robot(machine, admin, tmp_path):
        ended = await job_when(admin, job, "completed", "failed")
        async with asyncio.timeout(20):
            while b"pipe" not in await admin.get(f"/api/jobs/{job['id']}/logs"):
                await asyncio.sleep(0.05)
    assert ended["status"] == "completed"
    kept = [a["name"] for a in await admin.get(f"/api/jobs/{job['id']}/artifacts")]
    assert {"a.txt", "zz.txt"} <= set(kept)
    lines = (await admin.get(f"/api/jobs/{job['id']}/logs")).decode().splitlines()
    about = {line.split(" was not kept")[0].removeprefix("[artifact "): line for line in lines}
    assert about.keys() >= {"CON", r"a\nb", r"rechnung_m\xfcller.pdf", "pipe", r"\xff***"}
    assert all(line.startswith("[artifact ") and line.endswith("]") for line in lines)
    assert not shows_something(await all_that_is_said(admin, job))
    assert not shows_something((tmp_path / "agent.log").read_text())
