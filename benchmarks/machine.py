"""What an agent costs its machine: at rest, for an environment, and under a flood of output."""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.agent import ended_job, site
from robot_agent.environments.shelf import READY, Shelf
from robot_agent.environments.uv import program as uv
from sdk.running import family, proc, process
from sdk.running.process import StopOrder
from tests.support.world import archive

HEAD = "## The robot's machine"
ROBOTS = 10
REST_SECONDS = 60
STARTS = 15
BUILDS = 3
FLOOD_BYTES = 1024**3
NAMES = (
    "anyio attrs blinker certifi charset-normalizer click colorama flask h11 httpcore httpx idna "
    "itsdangerous jinja2 markdown-it-py markupsafe mdurl packaging pydantic pygments "
    "python-dateutil pytz pyyaml requests rich six tqdm typing-extensions urllib3 werkzeug"
)
PACKAGES = NAMES.split()
FLOOD = f"""if 1:
    import os
    block = (b"x" * 119 + b"\\n") * 512
    left = {FLOOD_BYTES}
    while left > 0:
        left -= os.write(1, block[:left])
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
    async with site(folder, ROBOTS) as (admin, agent):
        while len(await admin.get("/api/robots")) < ROBOTS:  # noqa: ASYNC110 -- no event says so
            await asyncio.sleep(0.5)
        await asyncio.sleep(10)
        before = _cpu_seconds(agent.pid)
        await asyncio.sleep(REST_SECONDS)
        used = _cpu_seconds(agent.pid) - before
        return proc.memory_bytes(agent.pid), used / REST_SECONDS


async def _flood(folder):
    """Seconds of a job that prints, seconds of the same to a file, the agent's most memory."""
    folder.mkdir()
    script = folder / "flood.py"
    script.write_text(FLOOD)
    async with site(folder, 1) as (admin, agent):
        flood = await admin.make_process("flood", archive(main=FLOOD))
        await ended_job(admin, await admin.make_job(await admin.make_process("none")))
        began = time.perf_counter()
        with (folder / "flood.log").open("wb") as file:
            await (await asyncio.create_subprocess_exec(sys.executable, script, stdout=file)).wait()
        to_a_file = time.perf_counter() - began
        (folder / "flood.log").unlink()
        job = asyncio.create_task(ended_job(admin, await admin.make_job(flood)))
        most = 0
        while not job.done():
            most = max(most, proc.memory_bytes(agent.pid))
            await asyncio.sleep(0.02)
        ended = job.result()
        if ended["status"] != "completed":
            raise RuntimeError(f"It should not end so: {ended}")
        seconds = (_time(ended["finished_at"]) - _time(ended["started_at"])).total_seconds()
        return seconds, to_a_file, most


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
    builds, copied = [], []
    for n in range(BUILDS + 1):  # the first one fills the cache
        seconds, environment = await _built(shelf, work)
        builds.append(seconds)
        copied.append(_synced(work, cache, "--link-mode", "copy"))
        if n < BUILDS:
            (environment.folder / READY).unlink()
    family.adopt_orphans()  # as an agent does
    starts, bare = [], []
    for _ in range(STARTS):
        bare.append(await _bare(environment.python))
        starts.append(await _started(shelf, environment, work, folder))
    return {
        "cold": cold,
        "build": (builds[1:], copied[1:]),
        "start": (starts, bare),
    }


async def _cold_builds(folder, work):
    """Seconds of ours and of `uv sync`, each with an empty cache."""
    ours, by_hand = [], []
    for n in range(BUILDS):
        shelf = Shelf(folder / f"shelf {n}")
        await shelf.lay_out()
        ours.append((await _built(shelf, work))[0])
        by_hand.append(_synced(work, folder / f"cache {n}"))
    return ours, by_hand


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
    subprocess.run([uv(), *arguments], cwd=cwd, env=environment, check=True, capture_output=True)  # noqa: S603


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


def _cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _time(text):
    return datetime.fromisoformat(text)


def section(measured, _rounds):
    memory, share = measured["rest"]
    seconds, to_a_file, most = measured["flood"]
    cold, by_hand = map(statistics.median, measured["cold"])
    builds, copied = map(statistics.median, measured["build"])
    start, bare = map(statistics.median, measured["start"])
    rows = [
        (f"memory of an agent with {ROBOTS} idle robots", f"{memory / 1e6:.0f} MB", "60 MB"),
        (f"its share of a core, over {REST_SECONDS} s", f"{share:.1%}", "2 %"),
        ("a job that prints 1 GiB, against writing it to a file",
         f"{seconds:.1f} s / {to_a_file:.1f} s = {seconds / to_a_file:.2f}", "1.5"),
        ("the agent's memory meanwhile", f"{most / 1e6:.0f} MB", "100 MB"),
        (f"a start in an environment of {len(PACKAGES)} packages, against `python -c pass` in it",
         f"{start * 1000:.1f} ms / {bare * 1000:.1f} ms = {start / bare:.2f}", "1.1"),
        ("building it with nothing in uv's cache, against `uv sync`",
         f"{cold:.2f} s / {by_hand:.2f} s = {cold / by_hand:.2f}", "1.2"),
        ("with all in its cache, against `uv sync --link-mode copy`",
         f"{builds:.2f} s / {copied:.2f} s = {builds / copied:.2f}", ""),
    ]  # fmt: skip
    return "\n".join([
        HEAD, "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d}; medians where there are several.", "",
        "| | | at most |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows),
    ]) + "\n"  # fmt: skip
