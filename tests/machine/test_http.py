"""Whatever is asked over HTTP, in whatever order, is answered as the model answers it."""

import pytest

from tests.machine.http_port import HttpPort
from tests.machine.play import play


@pytest.mark.parametrize("number", range(20, 22))
def test_whatever_is_asked_the_server_answers_as_the_model_does(sqlite_world, number):
    play(number, sqlite_world, HttpPort, examples=8)


@pytest.mark.parametrize("number", range(30, 31))
def test_so_it_answers_on_postgres(postgres_world, number):
    play(number, postgres_world, HttpPort, examples=5)
