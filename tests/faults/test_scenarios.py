"""What `orchestrator chaos` does to an installation, on both databases, and with warm starts.

One installation for each database, as for a user: what one disturbance leaves behind, the next one
meets.
"""

import pytest
import pytest_asyncio

from orchestrator_server.chaos.command import disturb
from orchestrator_server.chaos.scenario import SCENARIOS
from orchestrator_server.chaos.site import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")

# `make test` has these, as far as the database makes a difference; `make faults` has all.
FAST = {
    "sqlite": {"C-1", "C-2", "C-3", "C-4", "C-6", "C-8", "C-9", "C-10", "C-10+", "C-11", "C-11+",
               "C-12", "C-12+", "C-16", "C-18", "C-19", "C-21", "C-27", "C-48+", "C-54",
               "C-58", "C-65"},
    "warm": {"C-11", "C-11+", "C-48+", "C-58", "C-65"},  # on SQLite
    "postgres": {"C-1", "C-2", "C-3", "C-4", "C-18", "C-19", "C-21"},
}  # fmt: skip


def _each():
    for kind, fast in FAST.items():
        for one in SCENARIOS:
            marks = [] if one.id in fast else [pytest.mark.slow]
            yield pytest.param(kind, one, id=f"{kind}-{one.id}", marks=marks)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites(request, tmp_path_factory):
    """Gives the installation on that database, made when it is first asked for."""
    opened = {}

    async def of(kind):
        if kind not in opened:
            url = None
            if kind == "postgres":
                databases = request.getfixturevalue("postgres_databases")
                url = databases.url_of(databases.create())
            start = "warm" if kind == "warm" else "cold"
            opening = Site.open(tmp_path_factory.mktemp(kind), url, start)
            opened[kind] = (opening, await opening.__aenter__())
        return opened[kind][1]

    yield of
    for opening, _ in opened.values():
        await opening.__aexit__(None, None, None)


@pytest.mark.parametrize(("kind", "one"), list(_each()))
async def test_nothing_is_lost_when(kind, one, sites):
    site = await sites(kind)
    try:
        assert await disturb(site, one) == []
    finally:
        await site.tidy()
