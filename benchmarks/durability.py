"""Claim and report as shipped, and without each of the things that make them durable."""

import asyncio
import os
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psutil

from robot_agent.journal import Entry, Journal, State
from robot_agent.link import Link
from robot_agent.pulse import Pulse
from robot_agent.reserve import Reserve
from robot_agent.work import WAIT_SECONDS
from sdk.contract.runner import JobReport, NextJob
from sdk.transport import Transport
from tests.support import postgres
from tests.support.processes import a_server
from tests.support.world import api_at

HEAD = "## What durability costs"
LIMIT = 1.5
ROBOTS = 16
CYCLES = 5  # of each robot in a round
SHIPPED = "as shipped"
UNDURABLE = "without journal and fsync"
ALL_THREE = "without all three"
VARIANTS = {
    SHIPPED: frozenset(),
    "without the agent's journal": frozenset({"journal"}),
    "without fsync at the server": frozenset({"fsync"}),
    "without audit": frozenset({"audit"}),
    UNDURABLE: frozenset({"journal", "fsync"}),
    ALL_THREE: frozenset({"journal", "fsync", "audit"}),
}


async def measure(rounds):
    """Milliseconds of a cycle, by database, variant and number of robots; and what the disk did."""
    with tempfile.TemporaryDirectory() as folder, postgres.cluster() as cluster:
        databases = postgres.Databases(cluster.url)
        with _disk(Path(folder)) as disk:
            times = {
                "SQLite": await _measure(Path(folder) / "sqlite", lambda: None, disk, rounds),
                "PostgreSQL": await _measure(
                    Path(folder) / "postgres",
                    lambda: databases.url_of(databases.create()),
                    disk,
                    rounds,
                ),
            }
            return times, disk


async def _measure(folder, new_database, disk, rounds):
    times = defaultdict(list)
    async with AsyncExitStack() as stack:
        sides = {
            name: await _side(stack, folder / name.replace(" ", "-"), new_database(), without)
            for name, without in VARIANTS.items()
        }
        for number in range(rounds):
            disk.measure()
            # There and back: what one leaves to the disk is not always the same one's to bear.
            for name, side in list(sides.items())[:: -1 if number % 2 else 1]:
                for robots in (1, ROBOTS):
                    times[name, robots].append(await side.measure(robots))
    return times


async def _side(stack, folder, database_url, without):
    """A server of its own, and an agent with its robots."""
    folder.mkdir(parents=True)
    program = ("benchmarks.undurable", ",".join(without - {"journal"}))
    server = await stack.enter_async_context(a_server(folder / "server", database_url, program))
    admin = await (await stack.enter_async_context(api_at(server.url))).sign_in()
    process = await admin.make_process()
    machine = await admin.post("/api/machines", 201, name="bench")
    session = await stack.enter_async_context(aiohttp.ClientSession())
    transport = Transport(session, server.url)
    journal = _NoJournal()
    if "journal" not in without:
        journal = Journal(folder / "journal.db", Reserve(folder, 0))
        stack.callback(journal.close)
    links = [
        Link(transport, f"robot-{n}", machine["machine_key"], secrets.token_hex(8), Pulse())
        for n in range(ROBOTS)
    ]
    for link in links:
        await link.register()
    return _Side(admin, process, links, journal)


class _Side:
    def __init__(self, admin, process, links, journal):
        self._admin, self._process = admin, process
        self._links, self._journal = links, journal

    async def measure(self, robots):
        """Milliseconds for each of the cycles that so many robots do at the same time."""
        jobs = (self._admin.make_job(self._process) for _ in range(robots * CYCLES))
        await asyncio.gather(*jobs)
        began = time.perf_counter()
        await asyncio.gather(*(self._work(link) for link in self._links[:robots]))
        return (time.perf_counter() - began) * 1000 / (robots * CYCLES)

    async def _work(self, link):
        for _ in range(CYCLES):
            await _claim_and_report(link, self._journal)


async def _claim_and_report(link, journal):
    """What an agent asks and writes down for a job, without running its script."""
    key = secrets.token_urlsafe(16)
    await journal.claiming(link.name, key)
    question = NextJob(
        robot_id=link.robot_id,
        claim_key=key,
        agent_instance=link.instance,
        wait_seconds=WAIT_SECONDS,
    )
    job = (await link.once(lambda client: client.claim(question))).job
    entry = Entry(link.name, key, State.CLAIMING, link.robot_id, job.id, job.attempt)
    await journal.starting(entry)
    await journal.started(entry)
    report = JobReport(status="completed", attempt=job.attempt, claim_key=key, result={"n": 1})
    await journal.exited(entry, report)
    await link.once(lambda client: client.report(job.id, report))
    await journal.forget(link.name)


class _NoJournal:
    async def _nothing(self, *_):
        pass

    claiming = starting = started = exited = forget = _nothing


@contextmanager
def _disk(folder):
    path = folder / "bare.db"
    with (folder / "bare").open("wb", buffering=0) as file, closing(sqlite3.connect(path)) as db:
        db.isolation_level = None
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE bare (number INTEGER)")
        yield _Disk(folder, file, db)


class _Disk:
    """The least that a durable write can cost here, measured beside the rest."""

    def __init__(self, folder, file, db):
        self._file, self._db = file, db
        mounts = psutil.disk_partitions(all=True)
        above = [mount for mount in mounts if folder.is_relative_to(mount.mountpoint)]
        self.file_system = max(above, key=lambda mount: len(mount.mountpoint)).fstype
        self.fsyncs, self.transactions = [], []

    def measure(self):
        self.fsyncs.append(_time(self._fsync))
        self.transactions.append(_time(self._transaction))

    def _fsync(self):
        self._file.write(bytes(4096))
        os.fsync(self._file.fileno())

    def _transaction(self):
        self._db.execute("INSERT INTO bare VALUES (1)")


def _time(do):
    began = time.perf_counter()
    do()
    return (time.perf_counter() - began) * 1000


def _verdict(times):
    ratios = [_ratio(of_kind, UNDURABLE, ROBOTS) for of_kind in times.values()]
    kept = "is kept" if max(ratios) <= LIMIT else "is not kept"
    return (
        f"The rule: with {ROBOTS} robots, as shipped costs at most {LIMIT} times what it costs "
        f"{UNDURABLE}. It {kept}: {_told(times, UNDURABLE)}. The audit is not part of the rule, as "
        "it is a row more in the same transaction, and no wait of its own; against a server that "
        f"does not write it either: {_told(times, ALL_THREE)}."
    )


def _told(times, name):
    return ", ".join(
        f"{_ratio(of_kind, name, ROBOTS):.2f} on {kind}" for kind, of_kind in times.items()
    )


def _table(of_kind):
    lines = [
        f"| | 1 robot | shipped / this | {ROBOTS} robots | jobs a second | shipped / this |",
        "|---|---|---|---|---|---|",
    ]
    for name in VARIANTS:
        one, many = (statistics.median(of_kind[name, robots]) for robots in (1, ROBOTS))
        lines.append(
            f"| {name} | {one:.1f} ms | {_ratio(of_kind, name, 1):.2f} | {many:.1f} ms | "
            f"{1000 / many:,.0f} | {_ratio(of_kind, name, ROBOTS):.2f} |"
        )
    return lines


def _ratio(of_kind, name, robots):
    shipped, without = (statistics.median(of_kind[v, robots]) for v in (SHIPPED, name))
    return shipped / without


def section(measured, rounds):
    times, disk = measured
    lines = [
        HEAD, "",
        f"Claim and report over HTTP, by robots of one agent that runs no script, {rounds} times "
        f"{CYCLES} in turn on a server for each line, {datetime.now(UTC):%Y-%m-%d}. The journal "
        "is the agent's, and always waits for its disk; without fsync the server answers before "
        "a change is on the disk (SQLite: `synchronous=OFF`, PostgreSQL: `synchronous_commit=off`)."
        " Milliseconds are the time of all robots divided by the jobs they did, and medians; they "
        "are of this machine, with other work beside it. `shipped / this` is how many times as "
        "much it costs as shipped.", "",
        f"All is on {disk.file_system}, where an fsync of 4 KiB takes "
        f"{statistics.median(disk.fsyncs):.2f} ms and a transaction of one row in SQLite "
        f"{statistics.median(disk.transactions):.2f} ms. {_verdict(times)}",
    ]  # fmt: skip
    for kind, of_kind in times.items():
        lines += ["", f"### Durability on {kind}", "", *_table(of_kind)]
    return "\n".join(lines) + "\n"
