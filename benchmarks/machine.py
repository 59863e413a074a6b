"""What an agent costs its machine: at rest, for an environment, and under a flood of output."""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.agent import cpu_seconds, ended_job, site
from robot_agent.environments.shelf import Shelf
from robot_agent.environments.uv import program as uv
from sdk.running import family, proc, process
from sdk.running.process import StopOrder
from tests.support.world import archive

HEAD = "## The robot's machine"
ROBOTS = 10
REST_SECONDS = 60
STARTS = 40
BUILDS = 6
FLOODS = 5
FLOOD_BYTES = 1024**3
NAMES = (
    "anyio attrs blinker certifi charset-normalizer click colorama flask h11 httpcore httpx idna "
    "itsdangerous jinja2 markdown-it-py markupsafe mdurl packaging pydantic pygments "
    "python-dateutil pytz pyyaml requests rich six tqdm typing-extensions urllib3 werkzeug"
)
PACKAGES = NAMES.split()
FLOOD = f"""if 1:
    import json, os, time
    began = time.perf_counter()
    block = (b"x" * 119 + b"\\n") * 512
    left = {FLOOD_BYTES}
    while left > 0:
        left -= os.write(1, block[:left])
    with open(os.environ.get("RUNWRIGHT_RESULT", "flood.json"), "w") as file:
        json.dump(time.perf_counter() - began, file)
"""


async def measure(_rounds):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return {
            "rest": await _at_rest(place / "rest"),
            "flood": await _flood(place / "flood"),
            **await _environments(place / "environments"),
        }


async def _at_rest(folder):
    """Memory in bytes, and the share of a core, of an agent whose robots wait for work."""
    folder.mkdir()
    async with site(folder, ROBOTS) as (admin, agent, _):
        while len(await admin.get("/api/robots")) < ROBOTS:
            await asyncio.sleep(0.5)
        await asyncio.sleep(10)
        before = cpu_seconds(agent.pid)
        await asyncio.sleep(REST_SECONDS)
        used = cpu_seconds(agent.pid) - before
        return proc.memory_bytes(agent.pid), used / REST_SECONDS


async def _flood(folder):
    """Seconds that a script takes to print: in a job, and to a file; seconds from the grant of
    that job to its report, with 16 MiB of its log; the agent's most memory."""
    folder.mkdir()
    script = folder / "flood.py"
    script.write_text(FLOOD)
    async with site(folder, 1) as (admin, agent, _):
        flood = await admin.make_process("flood", archive(main=FLOOD))
        await ended_job(admin, await admin.make_job(await admin.make_process("none")))
        by_job, whole, to_a_file, most = [], [], [], 0
        for _ in range(FLOODS):
            to_a_file.append(await _to_a_file(script, folder / "flood.log"))
            job = asyncio.create_task(ended_job(admin, await admin.make_job(flood)))
            while not job.done():
                most = max(most, proc.memory_bytes(agent.pid))
                await asyncio.sleep(0.02)
            by_job.append(job.result()["result"])
            whole.append(_seconds_of(job.result()))
        return by_job, to_a_file, whole, most


async def _to_a_file(script, file):
    with file.open("wb") as output:
        await (
            await asyncio.create_subprocess_exec(
                sys.executable, script, stdout=output, cwd=file.parent
            )
        ).wait()
    file.unlink()
    return json.loads((file.parent / "flood.json").read_text("utf-8"))


def _seconds_of(job):
    if job["status"] != "completed":
        raise RuntimeError(f"It should not end so: {job}")
    times = [datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at")]
    return (times[1] - times[0]).total_seconds()


async def _environments(folder):
    work = folder / "work"
    work.mkdir(parents=True)
    listed = ", ".join(f'"{name}"' for name in PACKAGES)
    (work / "pyproject.toml").write_text(
        f'[project]\nname = "bench"\nversion = "1"\nrequires-python = ">=3.11"\n'
        f"dependencies = [{listed}]\n"
    )
    (work / "main.py").write_text("pass")
    shelf = Shelf(folder / "shelf")
    await shelf.lay_out()
    cache = folder / "shelf" / "uv-cache"
    _uv("lock", cwd=work, cache=cache)
    cold = await _cold_builds(folder, work)
    _, environment = await _built(shelf, work)
    family.adopt_orphans()  # as an agent does
    starts, bare = [], []
    for _ in range(STARTS):
        bare.append(await _bare(environment.python))
        starts.append(await _started(shelf, environment, work, folder))
    return {
        "cold": cold,
        "start": (starts, bare),
    }


async def _cold_builds(folder, work):
    """Seconds of ours, of `uv sync` that copies as ours does, and of one that makes hard links,
    each with an empty cache."""
    ours, copied, linked = [], [], []
    for n in range(BUILDS):
        shelf = Shelf(folder / f"shelf {n}")
        await shelf.lay_out()
        if n % 2:  # whoever comes first finds a slower network
            copied.append(_synced(work, folder / f"cache {n}", "--link-mode", "copy"))
        ours.append((await _built(shelf, work))[0])
        if not n % 2:
            copied.append(_synced(work, folder / f"cache {n}", "--link-mode", "copy"))
        linked.append(_synced(work, folder / f"other cache {n}"))
    return ours, copied, linked


async def _built(shelf, work):
    began = time.perf_counter()
    async with shelf.lend("package", work, work / "main.py") as environment:
        return time.perf_counter() - began, environment


def _synced(work, cache, *options):
    shutil.rmtree(work / ".venv", ignore_errors=True)
    began = time.perf_counter()
    _uv("sync", "--frozen", "--no-install-project", "--python", sys.executable, *options,
        cwd=work, cache=cache)  # fmt: skip
    return time.perf_counter() - began


def _uv(*arguments, cwd, cache):
    environment = {**os.environ, "UV_CACHE_DIR": str(cache)}
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run([uv(), *arguments], cwd=cwd, env=environment, check=True, capture_output=True)


async def _bare(python):
    began = time.perf_counter()
    await (await asyncio.create_subprocess_exec(python, "-c", "pass")).wait()
    return time.perf_counter() - began


async def _started(shelf, environment, work, folder):
    """As a job is started once its folder is filled."""
    began = time.perf_counter()
    async with shelf.lend("package", work, work / "main.py") as lent:
        if lent != environment:
            raise RuntimeError("It should be the environment that was built.")
        await process.run(
            [str(lent.python), str(work / "main.py")], cwd=work, env=dict(os.environ),
            output=folder / "output.log", order=StopOrder(), time_limit=None, grace=1,
            mark="NOBODY=",
        )  # fmt: skip
    return time.perf_counter() - began


def section(measured, _rounds):
    memory, share = measured["rest"]
    *floods, most = measured["flood"]
    seconds, to_a_file, whole = map(statistics.median, floods)
    built, copied, linked = map(statistics.median, measured["cold"])
    start, bare = map(statistics.median, measured["start"])
    rows = [
        (f"memory of an agent with {ROBOTS} idle robots", f"{memory / 1e6:.0f} MB", "60 MB"),
        (f"its share of a core, over {REST_SECONDS} s", f"{share:.1%}", "2 %"),
        ("a script that prints 1 GiB, in a job against into a file",
         f"{seconds:.2f} s / {to_a_file:.2f} s = {seconds / to_a_file:.2f}", "1.5"),
        ("that job from its grant to its report, with the 16 MiB of its log that are kept",
         f"{whole:.2f} s", ""),
        ("the agent's memory meanwhile", f"{most / 1e6:.0f} MB", "100 MB"),
        (f"a start in an environment of {len(PACKAGES)} packages, against `python -c pass` in it",
         f"{start * 1000:.1f} ms / {bare * 1000:.1f} ms = {start / bare:.2f}", "1.1"),
        ("building it with nothing in uv's cache, against `uv sync --link-mode copy`",
         f"{built:.2f} s / {copied:.2f} s = {built / copied:.2f}", "1.2"),
        ("the same, against `uv sync`, whose hard links record 22 rules out",
         f"{built:.2f} s / {linked:.2f} s = {built / linked:.2f}", ""),
    ]  # fmt: skip
    return "\n".join([
        HEAD, "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d}; medians where there are several.", "",
        "| | | at most |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows), "",
        "What stands in the way of the start in an environment: half of what it takes longer is "
        "the launcher, by which the kernel ends a script with its agent (0.9 ms where a bare start "
        "is 10.0 ms; record 23 has what else was tried); the rest is finding the environment, and "
        "looking whether the script left anybody behind.",
    ]) + "\n"  # fmt: skip
