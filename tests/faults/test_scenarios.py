"""What `orchestrator chaos` does to an installation, each on a fresh one, on both databases."""

import pytest

from orchestrator_server.chaos.command import disturb
from orchestrator_server.chaos.scenario import SCENARIOS
from orchestrator_server.chaos.site import Site
from tests.support import postgres as a_postgres

pytestmark = pytest.mark.slow  # `make faults` runs them


def _each():
    for kind in ("sqlite", "postgres"):
        for one in SCENARIOS:
            yield pytest.param(kind, one, id=f"{one.id}-{kind}")


@pytest.fixture
def url(request):
    """None for SQLite; an empty PostgreSQL otherwise."""
    if request.param == "sqlite":
        yield None
        return
    databases: a_postgres.Databases = request.getfixturevalue("postgres_databases")
    name = databases.create()
    yield databases.url_of(name)
    databases.drop(name)


@pytest.mark.parametrize(("url", "one"), list(_each()), indirect=["url"])
async def test_nothing_is_lost_when(url, one, tmp_path):
    async with Site.open(tmp_path, url) as site:
        assert await disturb(site, one) == []
