"""`orchestrator chaos`: disturb an installation like yours, and say what held."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator_server.chaos import (  # noqa: F401 -- importing them fills SCENARIOS
    agent_scenarios,
    network_scenarios,
    script_scenarios,
    server_scenarios,
)
from orchestrator_server.chaos.invariants import check_all
from orchestrator_server.chaos.scenario import SCENARIOS, Scenario
from orchestrator_server.chaos.site import Broken, Site
from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db import migrate
from orchestrator_server.db.open import open_database
from sdk.contract.processes import Start

EXIT_BROKEN = 1


@click.command("chaos")
@options.database_url
@click.option("--only", multiple=True, metavar="ID", help="This disturbance alone; repeatable.")
@click.option("--quick", is_flag=True, help="Leave out what waits for leases to end.")
@click.option("--warm", is_flag=True, help="Scripts are started warm.")
@click.option("--list", "only_list", is_flag=True, help="Say what there is, and do nothing.")
def command(
    database_url: str | None, only: tuple[str, ...], quick: bool, warm: bool, only_list: bool
) -> None:
    """Kill, stop, cut off and fill up a server and robots, and check that nothing was lost.

    All of it runs on this machine, in a fresh folder. The database is SQLite, or the EMPTY one
    you name with --database-url: never one that is in use.
    """
    chosen = [s for s in SCENARIOS if (s.id in only if only else not (quick and s.is_slow))]
    unknown = set(only) - {s.id for s in chosen}
    if unknown:
        raise click.UsageError(f"There is no {', '.join(sorted(unknown))}; see --list.")
    if only_list:
        for one in chosen:
            click.echo(_line(one))
        return
    with tempfile.TemporaryDirectory(prefix="runwright-chaos-") as folder:
        try:
            start: Start = "warm" if warm else "cold"
            broken = asyncio.run(_run(Path(folder), database_url, start, chosen))
        except Broken as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{len(chosen)} disturbances, {broken} with a broken promise.")
    raise SystemExit(EXIT_BROKEN if broken else 0)


async def _run(folder: Path, database_url: str | None, start: Start, chosen: list[Scenario]) -> int:
    await _must_be_empty(folder, database_url)
    broken = 0
    async with Site.open(folder, database_url, start) as site:
        for one in chosen:
            began = time.monotonic()
            problems = await disturb(site, one)
            broken += bool(problems)
            word = (
                click.style("BROKEN", fg="red") if problems else click.style("ok    ", fg="green")
            )
            click.echo(f"{word} {_line(one)}  {time.monotonic() - began:.1f} s")
            for problem in problems:
                click.echo(f"       {problem}")
            await site.tidy()
    return broken


async def disturb(site: Site, one: Scenario) -> list[str]:
    """Do it, wait until every job has ended, and say what did not hold."""
    try:
        await one.do(site)
        site.let_go()
        await site.settled()
    except Broken as error:
        return [str(error)]
    except TimeoutError:
        return ["What should have happened did not, within the time that any lease takes."]
    findings = await check_all(site)
    return [f"{f.promise}: {', '.join(f.broken_by)}" for f in findings if f.broken_by]


def _line(one: Scenario) -> str:
    return f"{one.id:6} {one.title}"


async def _must_be_empty(folder: Path, database_url: str | None) -> None:
    if database_url is None:
        return
    config = Config(data=folder, database_url=database_url)
    database = await open_database(config, lambda: datetime.now(UTC))
    try:
        if not await database.read(migrate.is_empty):
            raise Broken(
                "That database is in use: chaos wants an empty one, made for it "
                "(CREATE DATABASE scratch), which you can drop afterwards."
            )
    finally:
        await database.close()
