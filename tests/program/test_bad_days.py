"""A machine that has never seen a package, a network that goes away, and a script that is nobody's
friend, with an agent that is started again whenever it ends, as a service is."""

import asyncio
import io
import os
import sys
import zipfile
from contextlib import asynccontextmanager

import pytest

from tests.agent.package_index import an_index
from tests.agent.waiting import is_alive, until
from tests.program.test_secrets import (
    SECRET,
    a_job,
    all_that_is_said,
    shows_something,
    started,
)
from tests.support.world import archive
from tests.test_journey import job_when

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes")

SCRIPT = "import tin; print(tin.ORE)"
BLOCK = '# /// script\n# dependencies = ["tin<2"]\n# ///\n'


@asynccontextmanager
async def a_service(machine, admin, tmp_path, **variables):
    """Gives how often it was started."""
    starts = []

    async def keep_up():
        while True:
            agent = await started(machine, admin, tmp_path, **variables)
            starts.append(agent)
            await agent.wait()

    service = asyncio.create_task(keep_up())
    try:
        yield starts
    finally:
        service.cancel()
        starts[-1].terminate()
        async with asyncio.timeout(30):
            await starts[-1].wait()


def package(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as written:
        for name, text in files.items():
            written.writestr(name.replace("__", "."), text)
    return content.getvalue()


async def test_packages_that_a_machine_has_never_seen_run_and_run_off_line(admin, tmp_path):
    machine = await admin.post("/api/machines", 201, name="mill")
    async with an_index() as index:
        index.add("tin", "1.0", tin="ORE = 'old'")
        index.add("tin", "2.0", tin="ORE = 'new'")
        pinned = f"tin==2.0 --hash=sha256:{index.hash_of('tin', '2.0')}"
        contents = {
            "pinned": package(main__py=SCRIPT, requirements__txt=pinned),
            "block": package(main__py=BLOCK + SCRIPT),
            "nothing": archive(main="print('none')"),
        }
        wanted = {"pinned": b"new\n", "block": b"old\n", "nothing": b"none\n"}
        processes = {n: await admin.make_process(n, content=c) for n, c in contents.items()}

        async def all_run(processes):
            jobs = {name: await admin.make_job(process) for name, process in processes.items()}
            for name, job in jobs.items():
                ended = await job_when(admin, job, "completed", "failed")
                assert ended["status"] == "completed", ended
                assert await admin.get(f"/api/jobs/{job['id']}/logs") == wanted[name]

        # Left alone, uv asks an index that is gone four times, for up to a quarter of a minute.
        uv = {"UV_DEFAULT_INDEX": index.url, "UV_HTTP_RETRIES": "0"}
        async with a_service(machine, admin, tmp_path, **uv):
            await all_run(processes)
            await index.stop()  # the network is cut
            asked = len(index.asked)
            await all_run(processes)
            pinned_again = package(main__py=SCRIPT, requirements__txt=f"{pinned}\n# new lock\n")
            wanted["again"] = b"new\n"
            again = await admin.make_process("again", content=pinned_again)
            log = tmp_path / "agent.log"
            await until(lambda: "main.py of again is prepared." in log.read_text(), 60)
            await all_run({"again": again})
        assert len(index.asked) == asked > 0


async def test_a_large_package_that_rots_on_the_server_holds_no_robot(admin, config, tmp_path):
    """It is known to be rotten when most of it is sent, so the first answers are cut."""
    content = package(main__py="print('whole')", large__bin=os.urandom(600_000))
    process = await admin.make_process(content=content)
    machine = await admin.post("/api/machines", 201, name="mill")
    [file] = (config.data / "packages").iterdir()
    file.write_bytes(content[:-9] + bytes(9))
    async with a_service(machine, admin, tmp_path):
        ended = await job_when(admin, await admin.make_job(process), "completed", "failed")
        assert (ended["status"], ended["reason"]) == ("failed", "package_corrupt")
        assert "publish" in ended["error_message"] or "send it again" in ended["error_message"]
        file.write_bytes(content)
        ended = await job_when(admin, await admin.make_job(process), "completed", "failed")
        assert ended["status"] == "completed", ended


HOSTILE = """
import base64, json, os, signal, sys, time, urllib.parse
from sdk.runtime import assets
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
value = assets.get("door")
plain = value.encode()
for form in (value, json.dumps(value), urllib.parse.quote(value, safe=""), plain.hex(),
             base64.b64encode(plain).decode(), base64.b64encode(b"ada:" + plain).decode()):
    half = len(form) // 2
    os.write(1, form[:half].encode()); time.sleep(0.1); os.write(1, form[half:].encode())
with open("full", "wb") as file:
    for _ in range(64):
        file.write(bytes(1 << 20))
for leaves in (False, True):
    if os.fork() == 0:
        if leaves:
            os.setsid()
        if os.fork() == 0:
            with open({pids!r}, "a") as file:
                file.write(f"{{os.getpid()}}\\n")
            time.sleep(600)
        os._exit(0)
while len(open({pids!r}).readlines()) < 2:
    time.sleep(0.01)
{end}
time.sleep(600)
"""


ABOVE = {
    "cold": "os.getppid()",
    "warm": "int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])",
}


@pytest.mark.parametrize("start", ["cold", "warm"])
@pytest.mark.parametrize(
    "end", ["os.kill(AGENT, 9)", "os._exit(3)"], ids=["kills the agent", "ends"]
)
async def test_a_hostile_script_leaves_no_process_no_secret_and_no_stuck_job(
    admin, tmp_path, end, start
):
    pids = tmp_path / "pids"
    pids.touch()
    source = HOSTILE.format(pids=str(pids), end=end.replace("AGENT", ABOVE[start]))
    job, machine, _ = await a_job(admin, source, start=start)
    async with a_service(machine, admin, tmp_path) as starts:
        ended = await job_when(admin, job, "completed", "failed")
        assert ended["status"] == "failed"
        assert len(starts) == (2 if "kill" in end else 1)
        assert ended["reason"] == ("agent_restarted" if "kill" in end else "script_failed")
        left = [int(pid) for pid in pids.read_text().split()]
        await until(lambda: not any(is_alive(pid) for pid in left))
        after = await admin.make_job(await admin.make_process("after"))
        assert (await job_when(admin, after, "completed", "failed"))["status"] == "completed"
        await until(lambda: not list((tmp_path / "agent" / "jobs").glob("*/*")))
    assert len(left) == 2
    assert not shows_something(await all_that_is_said(admin, job))
    files = [file for file in (tmp_path / "agent").rglob("*") if file.is_file()]
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]
