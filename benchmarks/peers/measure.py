"""The same work for Runwright and for others: so many scripts that do nothing, each in a process of
its own, from the first that is asked for to the last that has ended."""

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil

from benchmarks.agent import NO_OP, ended_job, site
from tests.support import postgres
from tests.support.processes import free_port
from tests.support.world import archive

HEAD = "## Beside others"
HERE = Path(__file__).parent
PARALLEL = 4
JOBS = 200
LOOK_SECONDS = 0.05  # as those of the others do
FEW_JOBS = 4  # of what takes seconds for each
ROUNDS = 5
READY_SECONDS = 120
STOP_SECONDS = 20
AHEAD = 1.0
OF_PREFECT, OF_ITS_MEMORY = 100.0, 0.1
OURS = ("cold", "warm")
WANTED = {
    "celery": ["celery[redis]"],
    "procrastinate": ["procrastinate", "psycopg[binary]"],
    "prefect": ["prefect"],
}
DRIVERS = ("psycopg", "asyncpg")
WAYS = {
    "celery": "prefork, Redis, a task that spawns the script",
    "procrastinate": "PostgreSQL, a task that spawns the script",
    "prefect": "process worker, its own server on SQLite",
}


async def measure(_rounds):
    """Jobs a second, in turn, and MB of memory; and the versions."""
    rates, memory, versions = {}, {}, {}
    claims = {driver: [] for driver in DRIVERS}
    with tempfile.TemporaryDirectory() as name, postgres.server() as url:
        folder = Path(name)
        script = folder / "no_op.py"
        script.write_text(NO_OP)
        drivers = await _environment(folder, "drivers", "psycopg[binary]", "asyncpg")
        for driver in DRIVERS * ROUNDS:
            where = {"DATABASE": url}
            claims[driver].append(float(await _done([drivers, "bare_claims.py", driver], where)))
        async with _all(folder, url, versions) as sides:
            for number in range(ROUNDS + 1):
                for who, (drive, _) in sides.items():
                    rate = await drive(script)
                    if number:  # the first one warms
                        rates.setdefault(who, []).append(rate)
            for who, (_, processes) in sides.items():
                memory[who] = _megabytes(processes)
    return rates, memory, versions, claims


@asynccontextmanager
async def _all(folder, url, versions):
    """How each is asked for jobs, and its processes; what cannot be had here is left out."""
    opened = {"celery": _celery, "procrastinate": _procrastinate, "prefect": _prefect}
    if shutil.which("redis-server") is None:
        del opened["celery"]
    async with AsyncExitStack() as stack:
        drives, ours = await stack.enter_async_context(_runwright(folder / "runwright"))
        sides = {kind: (drive, ours) for kind, drive in drives.items()}
        for who, opening in opened.items():
            python = await _environment(folder, who, *WANTED[who])
            tell = f"from importlib.metadata import version; print(version({who!r}))"
            versions[who] = (await _done([python, "-c", tell], {})).strip()
            sides[who] = await stack.enter_async_context(opening(folder / who, python, url))
        yield sides


@asynccontextmanager
async def _runwright(folder):
    folder.mkdir()
    async with site(folder, PARALLEL) as (admin, agent, server):
        processes = {
            kind: await admin.make_process(f"no-op-{kind}", archive(main=NO_OP), start=kind)
            for kind in OURS
        }

        async def drive(kind, _script):
            process = processes[kind]
            left = iter(range(JOBS))
            jobs = []

            async def ask():
                for _ in left:
                    jobs.append(await admin.make_job(process))

            began = time.perf_counter()
            await asyncio.gather(*(ask() for _ in range(PARALLEL)))
            for status in ("pending", "running"):
                while await admin.get(f"/api/jobs?status={status}&limit=1"):
                    await asyncio.sleep(LOOK_SECONDS)
            took_seconds = time.perf_counter() - began
            for job in jobs:
                assert (await ended_job(admin, job))["status"] == "completed"
            return JOBS / took_seconds

        yield {kind: partial(drive, kind) for kind in OURS}, [agent, server]


@asynccontextmanager
async def _celery(folder, python, _url):
    port = free_port()
    where = {"BROKER": f"redis://127.0.0.1:{port}/0"}
    redis = [shutil.which("redis-server"), "--port", str(port), "--save", "", "--dir", str(folder)]
    worker = [python.with_name("celery"), "-A", "with_celery", "worker", "--concurrency",
              str(PARALLEL), "--loglevel", "WARNING"]  # fmt: skip
    async with _running(redis, {}) as broker, _running(worker, where) as running:

        async def drive(script):
            return JOBS / await _seconds(python, "with_celery.py", JOBS, script, where)

        yield drive, [broker, running]


@asynccontextmanager
async def _procrastinate(_folder, python, url):
    databases = postgres.Databases(url)
    where = {"DATABASE": databases.url_of(databases.create())}
    program = [python.with_name("procrastinate"), "--app", "with_procrastinate.app"]
    await _done([*program, "schema", "--apply"], where)
    async with _running([*program, "worker", "--concurrency", str(PARALLEL)], where) as running:

        async def drive(script):
            return JOBS / await _seconds(python, "with_procrastinate.py", JOBS, script, where)

        yield drive, [running]


@asynccontextmanager
async def _prefect(folder, python, _url):
    port = free_port()
    where = {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    prefect = python.with_name("prefect")
    async with _running([prefect, "server", "start", "--port", str(port)], where) as server:
        pool = [prefect, "work-pool", "create", "peers", "--type", "process"]
        await _done(pool, where, again=True)
        await _done([python, "with_prefect.py", "deploy"], where)
        worker = [prefect, "worker", "start", "--pool", "peers", "--limit", str(PARALLEL)]
        async with _running(worker, where) as running:

            async def drive(_script):
                return FEW_JOBS / await _seconds(python, "with_prefect.py", FEW_JOBS, "", where)

            yield drive, [server, running]


async def _environment(folder, name, *wanted):
    """An interpreter that has what is wanted."""
    place = folder / name
    uv = Path(sys.executable).with_name("uv")
    python = place / "bin" / "python"
    await _done([uv, "venv", "--quiet", "--python", sys.executable, place], {})
    await _done([uv, "pip", "install", "--quiet", "--python", python, *wanted], {})
    return python


async def _seconds(python, program, count, script, where):
    return float((await _done([python, program, str(count), str(script)], where)).split()[-1])


async def _done(command, where, *, again=False):
    """What it prints. With `again`, it is tried until what it needs is there."""
    until = time.monotonic() + READY_SECONDS
    while True:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), cwd=HERE, env=_around(where),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
        if process.returncode == 0:
            return output.decode()
        if not again or time.monotonic() > until:
            raise RuntimeError(f"{command}: {errors.decode()[-2000:]}")
        await asyncio.sleep(1)


def _around(where):
    return {**os.environ, "PYTHONPATH": str(HERE), **where}  # not every program looks where it is


@asynccontextmanager
async def _running(command, where):
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=HERE, env=_around(where),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:  # Prefect's worker does not always hear it
            process.kill()
            await process.wait()


def _megabytes(processes):
    """Of them and all they have started; what several of them share counts once."""
    found = []
    for process in processes:
        ours = psutil.Process(process.pid)
        found += [ours, *ours.children(recursive=True)]
    return sum(one.memory_full_info().pss for one in found) / 1e6


def section(measured, _rounds):
    rates, memory, versions, claims = measured
    ours = {kind: statistics.median(rates[kind]) for kind in OURS}
    lines = [
        HEAD, "",
        f"{JOBS} scripts that do nothing ({FEW_JOBS} for Prefect), each a process of its own, "
        f"{PARALLEL} at a time, from the first that was asked for to the last that had ended; "
        f"{ROUNDS} times in turn, medians, on the same machine in the same run, "
        f"{datetime.now(UTC):%Y-%m-%d}. Runwright with SQLite, every job durable and audited.", "",
        "| | jobs a second | Runwright's, cold and warm | wanted | memory, Runwright's part |",
        "|---|---|---|---|---|",
        *(f"| Runwright, {kind} | {rate:.0f} ({_range(rates[kind])}) | | | {memory[kind]:.0f} MB |"
          for kind, rate in ours.items()),
    ]  # fmt: skip
    for who, version in versions.items():
        rate = statistics.median(rates[who])
        wanted = OF_PREFECT if who == "prefect" else AHEAD
        most = f", wanted {OF_ITS_MEMORY}" if who == "prefect" else ""
        lines.append(
            f"| {who.capitalize()} {version}: {WAYS[who]} | {rate:.2f} ({_range(rates[who])}) | "
            f"{ours['cold'] / rate:.2f}, {ours['warm'] / rate:.2f} | {wanted:g} | "
            f"{memory[who]:.0f} MB, {memory['cold'] / memory[who]:.2f}{most} |"
        )
    lines += ["", "What stands in the way of those that are faster: their workers take a task "
              "from Redis or from the database themselves, keep no journal, and leave no audit. "
              "Here an agent asks a server over HTTP, each writes down on its disk what it begins, "
              "and a launcher sees to it that the script ends with its agent; what that costs "
              "is told under Jobs. Warm starts spare the interpreter's start."]  # fmt: skip
    bare = ", ".join(
        f"{statistics.median(rates):,.0f} ({_range(rates)}) with {driver}"
        for driver, rates in claims.items()
    )
    lines += ["", "At least a claim costs this: so many a second of a bare table, by SKIP LOCKED, "
              f"16 clients in one program, no report and no audit: {bare}."]  # fmt: skip
    return "\n".join(lines) + "\n"


def _range(values):
    return f"{min(values):.3g} to {max(values):.3g}"
