"""The worlds that the machines of a module begin in."""

import pytest

from tests.machine import worlds


@pytest.fixture(scope="module")
def sqlite_world(tmp_path_factory):
    return worlds.on_sqlite(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def postgres_world(tmp_path_factory, postgres_databases):
    return worlds.on_postgres(tmp_path_factory.mktemp("world"), postgres_databases)
