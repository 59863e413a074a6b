"""The server under load, each figure beside what bounds it, measured in turn in one run."""

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from benchmarks import bare, side
from benchmarks.agent import cpu_seconds
from benchmarks.side import CLIENTS, MANY_JOBS, SIGN_INS, a_side
from tests.support import postgres
from tests.support.processes import free_port

HEAD = "## The server under load"
SLICE_SECONDS = 2.0
FEW_ROUNDS = 10  # with less than that, a quick look is wanted


async def measure(rounds):
    """Lists of figures by name; rates are per second, times in milliseconds."""
    slices = max(3, rounds // 10)
    if rounds < FEW_ROUNDS:
        side.IDLE_SECONDS, side.ASKED, side.DRAINED = 5.0, 50, 320
        side.IDLE_ROBOTS = side.IDLE_ROBOTS[-1:]
    found = {}
    with tempfile.TemporaryDirectory() as folder, postgres.cluster() as cluster:
        databases = postgres.Databases(cluster.url)
        place = Path(folder)
        url = databases.url_of(databases.create())
        async with (
            _echo() as echo,
            a_side(place / "1", None) as lite,
            a_side(place / "2", url) as pg,
        ):
            for _ in range(slices):
                await _slice(found, "echo", _echoes, echo[0], pid=echo[1])
                for kind, one in (("sqlite", lite), ("postgres", pg)):
                    await _slice(found, f"cycle {kind}", one.cycle, pid=one.pid)
                await pg.make_jobs(side.DRAINED)
                found.setdefault("claims postgres", []).append(await pg.drain())
                await pg.make_jobs(side.DRAINED)
                found.setdefault("claims bare", []).append(
                    await asyncio.to_thread(bare.drain, url, pg.robots)
                )
                await _slice(found, "lines", lite.log)
                await _slice(found, "beats", lite.beat)
                await _slice(found, "items", lite.item)
            found["latency"] = await lite.latency()
            found["quiet"], found["busy"] = await lite.sign_ins()
            found["pending few"], found["pending many"] = await lite.pending()
        await _idle(found, place / "3")
        for workers in (1, 2):
            url = databases.url_of(databases.create())
            async with a_side(place / f"w{workers}", url, workers) as one:
                for _ in range(slices):
                    await _slice(found, f"workers {workers}", one.cycle)
    return found


async def _idle(found, place):
    async with a_side(place, None) as idle:
        found["idle"] = await idle.crowds()
    async with _echo() as (_, pid, url):  # one that has done nothing yet, either
        crowd = [f"robot {n}" for n in range(side.IDLE_ROBOTS[-1])]
        found["idle bare"] = await side.with_crowd(url, pid, crowd)


async def _slice(found, name, do, *args, pid=None):
    """How many `do` gets done in a second, by as many clients as we are; with `pid`, what one
    costs that process, in milliseconds of CPU."""
    until = time.perf_counter() + SLICE_SECONDS
    before = cpu_seconds(pid) if pid else 0
    counts = await asyncio.gather(*(do(*args, number, until) for number in range(CLIENTS)))
    found.setdefault(name, []).append(sum(counts) / SLICE_SECONDS)
    if pid:
        spent = (cpu_seconds(pid) - before) * 1000
        found.setdefault(f"cpu {name}", []).append(spent / sum(counts))


@asynccontextmanager
async def _echo():
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.echo", str(port)
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with asyncio.timeout(20):
                while True:
                    try:
                        await _echoes(session, 0, 0)
                        break
                    except aiohttp.ClientConnectionError:
                        await asyncio.sleep(0.05)
            yield session, process.pid, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _echoes(session, number, until):
    count = 0
    while True:
        async with session.post("/echo", json={"process_id": number, "text": "hello"}) as answer:
            await answer.json()
        count += 1
        if time.perf_counter() >= until:
            return count


def section(found, _rounds):
    lines = [
        HEAD,
        "",
        f"{CLIENTS} clients on the same two cores as the server and its database, in slices of "
        f"{SLICE_SECONDS:.0f} s taken in turn, {datetime.now(UTC):%Y-%m-%d}; medians. Everything "
        "is durable and audited. The clients need about as much of the machine as the server "
        "does, so two workers have no core of their own here.",
        "",
        "| measure | here | beside | that | ratio | wanted |",
        "|---|---|---|---|---|---|",
        *_ratios(found),
        "",
        "| measure | here | wanted |",
        "|---|---|---|",
        *_alone(found),
        "",
        _in_the_way(found),
    ]
    return "\n".join(lines) + "\n"


def _ratios(found):
    mid = _medians(found)
    echo = mid["echo"] / 3
    cycle = "create, claim and report, {}, a second"
    bare_http = "bare aiohttp and msgspec, requests / 3"
    yield _rate(cycle.format("SQLite"), mid["cycle sqlite"], bare_http, echo, 0.3)
    requests = "bare aiohttp and msgspec, requests"
    yield _rate("beats a second, SQLite", mid["beats"], requests, mid["echo"], 0)
    items = "queue items put in, taken and completed, SQLite, a second"
    yield _rate(items, mid["items"], bare_http, echo, 0)
    yield _rate(cycle.format("PostgreSQL"), mid["cycle postgres"], "the same", echo, 0)
    threads = "the same units by as many threads, without HTTP"
    drained = mid["claims postgres"], threads, mid["claims bare"]
    yield _rate("claim and report, PostgreSQL, a second", *drained, 0.5)
    workers = mid["workers 2"], "one", mid["workers 1"]
    yield _rate("two worker processes, cycles a second", *workers, 1.7)
    waiting = mid["pending many"], "with 10", mid["pending few"]
    yield _time(f"claim and report with {MANY_JOBS:,} jobs waiting", *waiting, 1.2)
    quiet, busy = _late(found["quiet"]), _late(found["busy"])
    yield _time(f"a claim while {SIGN_INS} people sign in, p95", busy, "quiet", quiet, 2)


def _alone(found):
    mid = _medians(found)
    for robots, share, memory, connections in found["idle"]:
        idle = f"robots that wait, and beat each 10 s: {robots:,}, on {connections:,} connections"
        wanted = robots == found["idle"][-1][0]
        limits = ("5 %" + _mark(share <= 0.05), "120 MB" + _mark(memory <= 120))
        yield f"| {idle}: share of a core | {share:.1%} | {limits[0] if wanted else ''} |"
        yield f"| the same: memory | {memory:.0f} MB | {limits[1] if wanted else ''} |"
    share, memory, _ = found["idle bare"]
    yield f"| the same, of bare aiohttp and msgspec: share of a core | {share:.1%} | |"
    yield f"| the same: memory | {memory:.0f} MB | |"
    latency, late = mid["latency"], _late(found["latency"])
    asked = "from asking for a job to a robot that waits"
    yield f"| {asked}, median | {latency:.1f} ms | 4 ms{_mark(latency <= 4)} |"
    yield f"| the same, p95 | {late:.1f} ms | 10 ms{_mark(late <= 10)} |"
    lines, mark = mid["lines"], _mark(mid["lines"] >= 50_000)
    yield f"| lines of logs a second, 50 in a request | {lines:,.0f} | 50,000{mark} |"


def _in_the_way(found):
    mid = _medians(found)
    cycle, echo = mid["cpu cycle sqlite"], mid["cpu echo"]
    return (
        f"What stands in the way is CPU: of the server's, a request of a cycle on SQLite costs "
        f"{cycle / 3:.2f} ms, the bare echo {echo:.2f} ms. By a profile (perf) over half of it is "
        "in the interpreter, a fifth in the kernel, a ninth in SQLite, the rest in libraries. By "
        "function (py-spy, of the threads that hold the interpreter) a fifth is in the thread that "
        "writes, a fifth in reading requests and writing answers; the rest in finding out who asks "
        "and what they may, in decoding, in counting, and in handing work from one thread to "
        "another, none of them more than a few per cent. A "
        "robot that waits costs its requests, 15 in 100 seconds, and nothing in between; they "
        "come one by one, which costs bare aiohttp, too, more for each than a stream of them. "
        "Between asking for a job and its being claimed two changes reach the disk, one behind "
        "the other, and two requests are answered. A chunk of a log waits for a look at who may "
        "write it and whether each secret in it is covered, then for its file: two hops between "
        "threads."
    )


def _rate(name, here, beside, that, least):
    ratio = here / that
    wanted = f"at least {least}{_mark(ratio >= least)}" if least else ""
    return f"| {name} | {here:,.0f} | {beside} | {that:,.0f} | {ratio:.2f} | {wanted} |"


def _time(name, here, beside, that, most):
    ratio = here / that
    wanted = f"at most {most}{_mark(ratio <= most)}"
    return f"| {name} | {here:.1f} ms | {beside} | {that:.1f} ms | {ratio:.2f} | {wanted} |"


def _medians(found):
    return {name: statistics.median(figures) for name, figures in found.items()}


def _late(times):
    return statistics.quantiles(times, n=20)[-1]


def _mark(kept):
    return "" if kept else " (not reached)"
