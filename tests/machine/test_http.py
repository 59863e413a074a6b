"""Whatever is asked over HTTP, in whatever order, is answered as the model answers it."""

from functools import partial

from hypothesis.stateful import run_state_machine_as_test

from tests.machine.http_port import HttpPort
from tests.machine.machine import often
from tests.machine.races import RaceRules


def test_whatever_is_asked_the_server_answers_as_the_model_does(sqlite_world):
    machine = partial(RaceRules, sqlite_world, HttpPort)
    run_state_machine_as_test(machine, settings=often(15))


def test_so_it_answers_on_postgres(postgres_world):
    machine = partial(RaceRules, postgres_world, HttpPort)
    run_state_machine_as_test(machine, settings=often(6))
