"""Each call on a database with a million finished jobs, beside the same call on an empty one."""

import asyncio
import platform
import re
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import click

import orchestrator_server
from benchmarks import agent, commands, durability, load, machine
from benchmarks.peers import measure as peers
from orchestrator_server.config import Config
from orchestrator_server.db import queries
from orchestrator_server.db.migrate import migrate
from orchestrator_server.db.open import open_database
from tests.support import postgres
from tests.support.processes import a_server
from tests.support.world import api_at

REPORT = Path(__file__).parent.parent / "docs" / "performance.md"
LIMIT = 1.5
SQL = queries.parse(resources.files(__package__).joinpath("fill.sql").read_text(), "fill.sql")
PAGE = 10_000
START = "start of the server"
SIZES = (10_000, 100_000)  # and the largest
HEADS = {
    "calls": "# Performance",
    "durability": durability.HEAD,
    "load": load.HEAD,
    "jobs": agent.HEAD,
    "machine": machine.HEAD,
    "commands": commands.HEAD,
    "peers": peers.HEAD,
}

QUICK = ("calls", "load")


@click.command()
@click.option("--jobs", default=1_000_000, show_default=True)
@click.option("--rounds", default=60, show_default=True)
@click.option("--quick", is_flag=True, help="The server, in less than three minutes; not written.")
@click.option("--peers", "with_peers", is_flag=True, help="Beside Celery and others, too.")
@click.option("--only", type=click.Choice(list(HEADS)), help="Keep the other parts.")
def main(jobs: int, rounds: int, quick: bool, with_peers: bool, only: str | None) -> None:
    """Measure, on SQLite and on PostgreSQL, and write docs/performance.md."""
    if quick:
        for name in [only] if only else QUICK:
            click.echo(_measured(name, 10_000, 3))
        return
    parts = _parts(REPORT.read_text("utf-8"))
    usual = [name for name in HEADS if name != "peers" or with_peers]
    for name in [only] if only else usual:
        parts[name] = _measured(name, jobs, rounds)
    text = "\n\n".join(parts[name].strip() for name in HEADS if name in parts)
    REPORT.write_text(f"{text}\n", "utf-8")
    click.echo(f"Written: {REPORT}")


def _parts(report):
    """What is there of each part, by the heads they begin with."""
    heads = "|".join(re.escape(head) for head in HEADS.values())
    pieces = re.split(rf"^(?=(?:{heads})$)", report, flags=re.MULTILINE)
    return {name: p for name, head in HEADS.items() for p in pieces if p.startswith(f"{head}\n")}


def _measured(name, jobs, rounds):
    if name == "calls":
        sizes = [size for size in SIZES if size < jobs] + [jobs]
        return _report(asyncio.run(_measure_all(sizes, rounds)), sizes, rounds)
    parts = {"durability": durability, "load": load, "jobs": agent, "machine": machine}
    part = (parts | {"commands": commands, "peers": peers})[name]
    return part.section(asyncio.run(part.measure(rounds)), rounds)


async def _measure_all(sizes, rounds):
    tables = {}
    with postgres.server() as url, tempfile.TemporaryDirectory() as folder:
        databases = postgres.Databases(url)
        for kind in ("SQLite", "PostgreSQL"):
            click.echo(f"{kind}: filling")
            async with AsyncExitStack() as stack:
                sides = []
                for jobs in (0, *sizes):
                    address = None
                    if kind == "PostgreSQL":
                        address = databases.url_of(databases.create())
                    place = Path(folder) / f"{kind}-{jobs}"
                    await _prepare(place, address, jobs)
                    sides.append(await _side(stack, place, address, jobs))
                tables[kind] = await _compare(sides, rounds)
    return tables


async def _prepare(place, address, jobs):
    place.mkdir()
    config = Config(data=place, database_url=address)
    now = datetime.now(UTC)
    database = await open_database(config, lambda: now)
    try:
        await migrate(database)
        steps = [("foundation", 0), ("process", 0), ("queue", 0)]
        if jobs:
            steps += [("jobs", jobs), ("events", jobs), ("items", jobs // 10), ("links", 0)]
            steps += [("ends", 0), ("analyze", 0)]
        for name, count in steps:
            await database.write(_step, SQL[name], count)
    finally:
        await database.close()


def _step(tx, query, count):
    text = query._texts["sqlite"] + query._texts["postgres"]
    given = {"count": count} if ":count" in text else {}
    if ":long_ago" in text:
        given["long_ago"] = tx.now - timedelta(days=30)
    tx.run(query, **given)


class _Side(NamedTuple):
    """A server, and how it is asked."""

    jobs: int
    admin: Any
    robot: Any
    start_milliseconds: float


async def _side(stack, place, address, jobs):
    began = time.perf_counter()
    server = await stack.enter_async_context(a_server(place, address))
    took = (time.perf_counter() - began) * 1000
    admin = await (await stack.enter_async_context(api_at(server.url))).sign_in()
    return _Side(jobs, admin, await admin.make_robot("bench"), took)


def _calls(jobs):
    """What is asked where there are so many jobs."""
    deep = str(max(2, jobs - PAGE * 90)) if jobs > PAGE * 90 else "2"
    past = (datetime.now(UTC) - timedelta(days=29)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "jobs, first page": "/api/jobs",
        f"jobs, page {PAGE:,}": f"/api/jobs?cursor={deep}" if jobs else "/api/jobs",
        "jobs by status": "/api/jobs?status=pending",
        "job by id": "/api/jobs/{job}",
        "audit, first page": "/api/audit",
        f"audit, page {PAGE:,}": f"/api/audit?page={PAGE}" if jobs else "/api/audit",
        "audit by time": f"/api/audit?from_time={past}",
        "audit by user": "/api/audit?user=admin",
        "queue items, first page": "/api/queue-items",
        "queue items, page 900": "/api/queue-items" + ("?cursor=200" if jobs else ""),
        "robots": "/api/robots",
        "dashboard": "/api/dashboard/overview",
    }


async def _compare(sides, rounds):
    """Of each call, the times on each side."""
    made = []
    for side in sides:  # as many answers on all of them: a page holds 100
        made.append([(await side.admin.post("/api/jobs", 201, process_id=900))["id"]
                     for _ in range(110)])  # fmt: skip
        queue = {"queue_id": 900, "items": [{"payload": {}}] * 110}
        await side.admin.post("/api/queue-items/bulk", 200, **queue)
    calls = [_calls(side.jobs) for side in sides]
    rows = []
    for name in calls[0]:
        times = [[] for _ in sides]
        for _ in range(rounds):
            for side, paths, ids, kept in zip(sides, calls, made, times, strict=True):
                kept.append(await _time(side.admin.get, paths[name].format(job=ids[0])))
        rows.append((name, times))
    claims = [[] for _ in sides]
    for _ in range(rounds):
        for side, kept in zip(sides, claims, strict=True):
            kept.append(await _time(_work_once, side.robot))
    rows.append(("claim and report", claims))
    return [*rows, (START, [[side.start_milliseconds] for side in sides])]


async def _work_once(robot):
    job = (await robot.post("/api/runner/next-job", 200))["job"]
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, status="completed", attempt=1)


async def _time(do, *args):
    began = time.perf_counter()
    await do(*args)
    return (time.perf_counter() - began) * 1000


def _report(tables, sizes, rounds):
    most = sizes[-1]
    lines = [
        HEADS["calls"],
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}; do not edit. Runwright "
        f"{orchestrator_server.version()}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}.",
        "",
        f"Each call over HTTP, {rounds} times in turn on servers in one run: one with an empty "
        "database, the others with so many finished jobs, as many audit events and a tenth as many "
        "queue items. Milliseconds are of this machine, with other work beside it; the ratio of "
        f"the medians, of the fullest to the empty one, is what counts, and should be at most "
        f"{LIMIT}. A start is measured once; on SQLite it looks through the whole file for damage, "
        "if that is below 1 GiB.",
    ]
    for kind, rows in tables.items():
        heads = " | ".join(f"{jobs:,} jobs" for jobs in sizes)
        lines += ["", f"## {kind}", "",
                  f"| call | empty | {heads} | {most:,}, 5 to 95 % | ratio |",
                  "|---|---|" + "---|" * len(sizes) + "---|---|"]  # fmt: skip
        for name, times in rows:
            middles = [statistics.median(one) for one in times]
            large = times[-1]
            low, *_, high = statistics.quantiles(large, n=20) if len(large) > 1 else large * 2
            ratio = middles[-1] / middles[0]
            told = " | ".join(f"{middle:.1f} ms" for middle in middles)
            above = " (above)" if ratio > LIMIT and name != START else ""
            lines.append(f"| {name} | {told} | {low:.1f} to {high:.1f} | {ratio:.2f}{above} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
