"""What the agent adds to a script: no-op jobs beside a bare loop that spawns the same interpreter
with the same script, and how soon a script's first line comes."""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.support.processes import a_server
from tests.support.world import api_at, archive

HEAD = "## Jobs"
PARALLEL = 4
JOBS = 200
STARTS = 40
LOOK_SECONDS = 0.2  # seldom, as each look costs the server something
LIMITS = {"cold": 0.75, "warm": 2.2}
NO_OP = "pass"
FIRST_LINE = "import time; open({!r}, 'w').write(str(time.time()))"


async def measure(rounds):
    """Jobs a second of a bare loop and of the agent, milliseconds of CPU that agent and server
    spend on a job, and milliseconds to the first line."""
    with tempfile.TemporaryDirectory() as folder:
        async with site(Path(folder)) as (admin, *ours):
            processes = {
                kind: await admin.make_process(f"no-op-{kind}", archive(main=NO_OP), start=kind)
                for kind in LIMITS
            }
            rates = {kind: [] for kind in ("bare", *LIMITS)}
            costs = {kind: [] for kind in LIMITS}
            for process in processes.values():  # its environment is built, its parent is warm
                await _jobs_a_second(admin, process, PARALLEL)
            for _ in range(rounds):
                rates["bare"].append(await _bare(Path(folder)))
                for kind, process in processes.items():
                    before = [cpu_seconds(one.pid) for one in ours]
                    rates[kind].append(await _jobs_a_second(admin, process, JOBS))
                    after = [cpu_seconds(one.pid) for one in ours]
                    costs[kind].append(
                        [(b - a) * 1000 / JOBS for a, b in zip(before, after, strict=True)]
                    )
            return rates, costs, await _first_lines(admin, Path(folder))


@asynccontextmanager
async def site(folder, robots=PARALLEL):
    """An admin's view, an agent with so many robots, and the server; the processes of both."""
    async with a_server(folder / "server") as server, api_at(server.url) as api:
        admin = await api.sign_in()
        machine = await admin.post("/api/machines", 201, name="bench")
        (folder / "machine.key").write_text(machine["machine_key"])
        agent = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "robot_agent", "run", "--url", server.url, "--name", "bench",
            "--machine-key-file", str(folder / "machine.key"), "--robots", str(robots),
            "--data", str(folder / "agent"), stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield admin, agent, server.process
        finally:
            agent.terminate()
            await agent.wait()


async def _bare(folder):
    script = folder / "no_op.py"
    script.write_text(NO_OP)
    left = iter(range(JOBS))

    async def spawn():
        for _ in left:
            process = await asyncio.create_subprocess_exec(sys.executable, str(script))
            await process.wait()

    began = time.perf_counter()
    await asyncio.gather(*(spawn() for _ in range(PARALLEL)))
    return JOBS / (time.perf_counter() - began)


async def _jobs_a_second(admin, process, count):
    """Between the first start and the last end, as the server has them."""
    await _all_robots(admin, "pause")
    jobs = [await admin.make_job(process) for _ in range(count)]
    await _all_robots(admin, "resume")
    ended = [await ended_job(admin, job, LOOK_SECONDS) for job in reversed(jobs)]
    if wrong := [job for job in ended if job["status"] != "completed"]:
        raise RuntimeError(f"A no-op job should not end so: {wrong[0]}")
    first = min(_time(job["started_at"]) for job in ended)
    last = max(_time(job["finished_at"]) for job in ended)
    return count / (last - first)


async def _first_lines(admin, folder):
    """Milliseconds to a script's first line: of a bare interpreter, and from POST /api/jobs on."""
    told = folder / "first line"
    script = folder / "first.py"
    script.write_text(FIRST_LINE.format(str(told)))
    processes = {
        kind: await admin.make_process(
            f"first-{kind}", archive(main=script.read_text()), start=kind
        )
        for kind in LIMITS
    }
    times = {kind: [] for kind in ("bare", *LIMITS)}
    for _ in range(STARTS):
        began = time.time()
        process = await asyncio.create_subprocess_exec(sys.executable, str(script))
        await process.wait()
        times["bare"].append((float(told.read_text()) - began) * 1000)
        for kind, process in processes.items():
            await asyncio.sleep(0.3)  # the robots wait for work, as they do most of the time
            began = time.time()
            await ended_job(admin, await admin.make_job(process))
            times[kind].append((float(told.read_text()) - began) * 1000)
    return {kind: values[1:] for kind, values in times.items()}  # the first one builds and warms


async def _all_robots(admin, verb):
    for robot in await admin.get("/api/robots"):
        await admin.post(f"/api/robots/{robot['id']}/{verb}", 200)


async def ended_job(admin, job, look_seconds=0.02):
    while True:
        job = await admin.get(f"/api/jobs/{job['id']}")
        if job["finished_at"]:
            return job
        await asyncio.sleep(look_seconds)


def cpu_seconds(pid):
    """Its own, not its children's (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _time(text):
    return datetime.fromisoformat(text).timestamp()


def section(measured, rounds):
    rates, costs, first = measured
    bare = statistics.median(rates["bare"])
    lines = [
        HEAD, "",
        f"{JOBS} no-op jobs with {PARALLEL} robots of one agent, beside a loop that spawns the "
        f"same script {PARALLEL} at a time; {rounds} times in turn, medians, "
        f"{datetime.now(UTC):%Y-%m-%d}. The server (SQLite, fsync on) is on the same machine.", "",
        "| start | jobs a second | times the bare loop | wanted | agent | server |",
        "|---|---|---|---|---|---|",
        f"| bare | {bare:.0f} | 1 | | | |",
    ]  # fmt: skip
    for kind, wanted in LIMITS.items():
        rate = statistics.median(rates[kind])
        agent, server = (statistics.median(cost) for cost in zip(*costs[kind], strict=True))
        lines.append(f"| {kind} | {rate:.0f} | {rate / bare:.2f} | {wanted} | {agent:.1f} ms | "
                     f"{server:.1f} ms |")  # fmt: skip
    cores = os.cpu_count() or 1
    lines += [
        "", "The last two columns are the CPU time that they spend on one job, the jobs of the "
        "benchmark itself in it. What stands in the way of what is wanted: a bare spawn costs "
        f"{cores * 1000 / bare:.0f} ms of the {cores} cores, and a job costs that (a warm one a "
        "fork) and those two columns: two requests (a beat before the start, and the report, "
        "whose answer brings the next job), each with a change on the server's disk, and two "
        "changes of the journal, on the agent's. Each of them keeps a promise: no start of a "
        "canceled job, none twice, no report lost.",
    ]  # fmt: skip
    alone = statistics.median(first["bare"])
    lines += [
        "", f"From `POST /api/jobs` to the first line, on an idle robot, {STARTS - 1} times; the "
        f"bare interpreter alone takes {alone:.1f} ms.", "",
        "| start | median | p95 | median without the interpreter |", "|---|---|---|---|",
    ]  # fmt: skip
    for kind in LIMITS:
        median = statistics.median(first[kind])
        p95 = statistics.quantiles(first[kind], n=20)[-1]
        lines.append(f"| {kind} | {median:.1f} ms | {p95:.1f} ms | {median - alone:.1f} ms |")
    return "\n".join(lines) + "\n"
