"""Runs of a machine: a few in `make test`, the same each time, or as many as are asked for."""

import os
from functools import partial

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.races import RaceRules

# Given: that many examples in each run, others each time.
EXAMPLES = os.environ.get("RUNWRIGHT_MACHINE_EXAMPLES")
# Of a deliberate bug it is enough to know that it was caught: it need not be made smaller.
ONLY_FIND = "RUNWRIGHT_MACHINE_ONLY_FIND" in os.environ


def play(number, template, port, *, examples):
    """One run; those of two numbers have nothing in common.

    A run is short: after the tenth example hypothesis makes five like it of each new one, and
    here ten that differ find more.
    """
    machine = partial(RaceRules, template, port)
    if not EXAMPLES:
        machine = seed(number)(machine)
    find = (Phase.explicit, Phase.generate)
    how = settings(
        max_examples=int(EXAMPLES or examples),
        stateful_step_count=50,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        phases=find if ONLY_FIND else (*find, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)
