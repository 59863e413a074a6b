"""`python -m tests.soak`: many robots, real agents and trouble, for as long as you like."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.soak.plan import Plan
from tests.soak.report import lines
from tests.soak.run import soak
from tests.support import postgres


def main() -> int:
    plan, is_postgres = _asked()
    folder = Path(tempfile.mkdtemp(prefix="runwright-soak-"))
    database = "PostgreSQL" if is_postgres else "SQLite"
    what = f"{plan.minutes:g} minutes with seed {plan.seed} on {database}"
    print(f"{what}: {plan.robots} simulated robots, {plan.agents} agents.", flush=True)
    with _database(is_postgres) as url:
        outcome = asyncio.run(soak(replace(plan, database_url=url), folder))
    print(*lines(outcome), sep="\n")
    if outcome.problems():
        print(f"Logs, journals and data are in {folder}.")
        return 1
    shutil.rmtree(folder)
    return 0


def _asked() -> tuple[Plan, bool]:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    usual = Plan()
    parser.add_argument("--minutes", type=float, default=usual.minutes)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--robots", type=int, default=usual.robots, help="simulated ones")
    parser.add_argument("--agents", type=int, default=usual.agents, help="real ones")
    parser.add_argument("--postgres", action="store_true", help="not on SQLite")
    given = vars(parser.parse_args())
    is_postgres = given.pop("postgres")
    return Plan(**given), is_postgres


@contextmanager
def _database(is_postgres: bool):
    """None for SQLite; an empty PostgreSQL otherwise."""
    if not is_postgres:
        yield None
        return
    with postgres.server() as url:
        databases = postgres.Databases(url)
        name = databases.create()
        try:
            yield databases.url_of(name)
        finally:
            databases.drop(name)


if __name__ == "__main__":
    sys.exit(main())
