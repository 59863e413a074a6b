"""Whatever happens in whatever order, the store does what the model does: without HTTP."""

from functools import partial

from hypothesis.stateful import run_state_machine_as_test

from tests.machine.machine import often
from tests.machine.races import RaceRules
from tests.machine.store_port import StorePort


def test_whatever_happens_the_store_does_what_the_model_does(sqlite_world):
    machine = partial(RaceRules, sqlite_world, StorePort)
    run_state_machine_as_test(machine, settings=often(50))


def test_so_it_does_on_postgres(postgres_world):
    machine = partial(RaceRules, postgres_world, StorePort)
    run_state_machine_as_test(machine, settings=often(10))
