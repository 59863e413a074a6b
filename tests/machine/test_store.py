"""Whatever happens in whatever order, the store does what the model does: without HTTP."""

import pytest

from tests.machine.play import play
from tests.machine.store_port import StorePort


@pytest.mark.parametrize("number", range(5))
def test_whatever_happens_the_store_does_what_the_model_does(sqlite_world, number):
    play(number, sqlite_world, StorePort, examples=10)


@pytest.mark.parametrize("number", range(10, 12))
def test_so_it_does_on_postgres(postgres_world, number):
    play(number, postgres_world, StorePort, examples=7)
