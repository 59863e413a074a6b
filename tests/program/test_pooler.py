"""Two servers behind a pooler that lends connections by transaction: the same as without it."""

import asyncio
from collections import Counter

import msgspec
import pytest

from orchestrator_server.db.postgres import PostgresDatabase
from orchestrator_server.db.queries import Query
from orchestrator_server.errors import Unavailable
from orchestrator_server.http.keys import WAKEUPS
from tests.faults.doctor import broken_promises
from tests.program.test_server_process import all_jobs, prepare, work
from tests.program.test_several_servers import no_look, two_servers, until  # noqa: F401
from tests.support import pgbouncer
from tests.support.world import api_at

pytestmark = [
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
    pytest.mark.skipif(pgbouncer.program() is None, reason="Debian's pgbouncer is not installed"),
]

QUERIES = [Query(f"q{n}", f"SELECT {n} AS n WHERE false") for n in range(5)]


class Nothing(msgspec.Struct):
    n: int


@pytest.fixture
def config(config):
    with pgbouncer.in_front_of(config.database_url) as pooled:
        yield msgspec.structs.replace(config, database_url=pooled, listen_url=config.database_url)


async def test_each_job_runs_once_and_nothing_is_refused(config):
    async with two_servers(config) as (servers, (admin, _)):
        robots, seen = await prepare(admin, 8, 200)
        urls = [server["url"] for server in servers]
        async with api_at(urls[1]) as other:
            half = [other.as_(**robot.headers) for robot in robots[::2]]
            everybody = [*half, *robots[1::2]]
            statuses = Counter()
            async with asyncio.timeout(60):
                await asyncio.gather(
                    *(work(robot, f"r{n}", seen, statuses) for n, robot in enumerate(everybody))
                )
        jobs = await all_jobs(admin)
    assert set(statuses) <= {200}
    assert {(job["status"], job["attempt"]) for job in jobs.values()} == {("completed", 1)}
    assert await broken_promises(config.data, config.listen_url) == {}


async def test_without_the_other_address_it_is_said(config, clock):
    database = await PostgresDatabase.open(config.database_url, clock)  # as if there were none

    def ask(tx):
        return [tx.all(query, Nothing) for query in QUERIES]

    try:
        with pytest.raises(Unavailable, match="RUNWRIGHT_LISTEN_URL"):
            for _ in range(50):
                await asyncio.gather(*(database.read(ask) for _ in range(20)))
    finally:
        await database.close()


async def test_a_job_wakes_a_robot_at_the_other_server(config, no_look):  # noqa: F811
    async with two_servers(config) as (servers, (here, there)):
        process, robot = await here.make_process(), await there.make_robot()
        claim = asyncio.create_task(
            robot.post("/api/runner/next-job", 200, claim_key="k", wait_seconds=20)
        )
        await until(lambda: servers[1][WAKEUPS].count)
        await here.make_job(process)
        async with asyncio.timeout(10):
            assert (await claim)["job"]
