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
        return _report(asyncio.run(_measure_all(jobs, rounds)), jobs, rounds)
    parts = {"durability": durability, "load": load, "jobs": agent, "machine": machine}
    part = (parts | {"commands": commands, "peers": peers})[name]
    return part.section(asyncio.run(part.measure(rounds)), rounds)


async def _measure_all(jobs, rounds):
    tables = {}
    with postgres.server() as url, tempfile.TemporaryDirectory() as folder:
        databases = postgres.Databases(url)
        for kind in ("SQLite", "PostgreSQL"):
            named = [
                None if kind == "SQLite" else databases.url_of(databases.create()) for _ in range(2)
            ]
            click.echo(f"{kind}: filling")
            places = [Path(folder) / f"{kind}-{n}" for n in range(2)]
            await _prepare(places[0], named[0], 0)
            await _prepare(places[1], named[1], jobs)
            async with AsyncExitStack() as stack:
                sides = [
                    await _side(stack, place, address)
                    for place, address in zip(places, named, strict=True)
                ]
                tables[kind] = await _compare(*(side[:2] for side in sides), jobs, rounds)
                tables[kind].append(("start of the server", *([side[2]] for side in sides)))
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


async def _side(stack, place, address):
    began = time.perf_counter()
    server = await stack.enter_async_context(a_server(place, address))
    took = (time.perf_counter() - began) * 1000
    api = await stack.enter_async_context(api_at(server.url))
    admin = await api.sign_in()
    return admin, await admin.make_robot("bench"), took


def _calls(jobs):
    """What is asked: on the full side, and, where an address depends on it, on the empty one."""
    deep = str(max(2, jobs - PAGE * 90)) if jobs > PAGE * 90 else "2"
    past = (datetime.now(UTC) - timedelta(days=29)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "jobs, first page": ("/api/jobs",) * 2,
        f"jobs, page {PAGE:,}": ("/api/jobs", f"/api/jobs?cursor={deep}"),
        "jobs by status": ("/api/jobs?status=pending", "/api/jobs?status=pending"),
        "job by id": ("/api/jobs/{job}",) * 2,
        "audit, first page": ("/api/audit",) * 2,
        f"audit, page {PAGE:,}": ("/api/audit", f"/api/audit?page={PAGE}"),
        "audit by time": (f"/api/audit?from_time={past}",) * 2,
        "audit by user": ("/api/audit?user=admin",) * 2,
        "queue items, first page": ("/api/queue-items",) * 2,
        "queue items, page 900": ("/api/queue-items", "/api/queue-items?cursor=200"),
        "robots": ("/api/robots",) * 2,
        "dashboard": ("/api/dashboard/overview",) * 2,
    }


async def _compare(empty, full, jobs, rounds):
    made = []
    for admin, _ in (empty, full):  # as many answers on both sides: a page holds 100
        made.append([(await admin.post("/api/jobs", 201, process_id=900))["id"]
                     for _ in range(110)])  # fmt: skip
        queue = {"queue_id": 900, "items": [{"payload": {}}] * 110}
        await admin.post("/api/queue-items/bulk", 200, **queue)
    rows = []
    for name, (on_empty, on_full) in _calls(jobs).items():
        times = ([], [])
        for _ in range(rounds):
            for side, path, ids, kept in zip(
                (empty, full), (on_empty, on_full), made, times, strict=True
            ):
                kept.append(await _time(side[0].get, path.format(job=ids[0])))
        rows.append((name, *times))
    rows.append(("claim and report", *await _claims(empty, full, rounds)))
    return rows


async def _claims(empty, full, rounds):
    times = ([], [])
    for _ in range(rounds):
        for (_, robot), kept in zip((empty, full), times, strict=True):
            kept.append(await _time(_work_once, robot))
    return times


async def _work_once(robot):
    job = (await robot.post("/api/runner/next-job", 200))["job"]
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, status="completed", attempt=1)


async def _time(do, *args):
    began = time.perf_counter()
    await do(*args)
    return (time.perf_counter() - began) * 1000


def _report(tables, jobs, rounds):
    lines = [
        HEADS["calls"],
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}; do not edit. Runwright "
        f"{orchestrator_server.version()}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}.",
        "",
        f"Each call over HTTP, {rounds} times in turn on two servers in one run: one with an empty "
        f"database, one with {jobs:,} finished jobs, {jobs:,} audit events and {jobs // 10:,} "
        "queue items. Milliseconds are of this machine, with other work beside it; the ratio of "
        f"the medians is what counts, and should be at most {LIMIT}.",
    ]
    for kind, rows in tables.items():
        lines += ["", f"## {kind}", "", "| call | empty | full | full, 5 to 95 % | ratio |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for name, small, large in rows:
            a, b = statistics.median(small), statistics.median(large)
            low, *_, high = statistics.quantiles(large, n=20) if len(large) > 1 else large * 2
            ratio = f"{b / a:.2f}" if b / a <= LIMIT else f"{b / a:.2f} (above)"
            lines.append(
                f"| {name} | {a:.1f} ms | {b:.1f} ms | {low:.1f} to {high:.1f} | {ratio} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
