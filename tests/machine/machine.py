"""A machine does what anybody may do in any order; model and server must say and store the same.

What a rule draws never depends on what was answered: of two requests that race either may come
first, and hypothesis must be able to draw the same again. So a rule draws a number, and takes
what is at that place; there are few rules, since hypothesis leaves out some in each run.
"""

import asyncio
from contextlib import ExitStack
from copy import deepcopy
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant
from hypothesis.strategies._internal.featureflags import FeatureFlags

from tests.machine import tables
from tests.machine.reference import Reference

MOMENT = timedelta(microseconds=1)  # the shortest time that is stored


class Machine(RuleBasedStateMachine):
    """The model, the server behind a port, and what is checked after each step."""

    def __init__(self, template, port):
        super().__init__()
        # Hypothesis leaves out many rules in each run, another few each time. Here most of them
        # are needed to get anywhere, so that all are there in each.
        assert hasattr(self._rules_strategy, "enabled_rules_strategy")
        self._rules_strategy.enabled_rules_strategy = st.just(FeatureFlags())
        self.model = Reference()
        self._open = ExitStack()
        self._runner = self._open.enter_context(asyncio.Runner())
        world = self._open.enter_context(template.copy())
        self.port = port(world, lambda: self.model.now)
        self._run(self.port.open())
        self._open.callback(lambda: self._run(self.port.close()))
        self._before = deepcopy(self.model.rows())

    def teardown(self):
        with self._open:
            findings = self._run(self.port.examine())
            assert not findings, findings

    def do(self, verb, *args):
        """Ask for one thing; the answer must be the model's."""
        expected = getattr(self.model, verb)(*args)
        got = self._run(getattr(self.port, verb)(*args))
        assert got.fits(expected), f"{verb}{args}: {got}, but expected was {expected}"

    def do_at_once(self, *deeds):
        """Ask for two things at the same time: as if one, or the other, had come first."""
        got = self._run(_together(*(getattr(self.port, verb)(*args) for verb, *args in deeds)))
        rows = self._run(self.port.rows())
        found = []
        for order in (1, -1):
            model = deepcopy(self.model)
            expected = [getattr(model, verb)(*args) for verb, *args in deeds[::order]][::order]
            wrong = [f"{g}, not {e}" for g, e in zip(got, expected, strict=True) if not g.fits(e)]
            wrong += model.rows().differences(rows)
            if not wrong:
                self.model = model
                return
            found.append(wrong)
        raise AssertionError(f"{deeds}: neither order gives this: {found}")

    @invariant()
    def what_is_stored_is_as_it_must_be(self):
        rows = self._run(self.port.rows())
        wrong = self.model.rows().differences(rows)
        if rows != self._before:  # else nobody would find anything new
            wrong += tables.broken(rows, self._before) + self._run(self.port.findings())
        assert not wrong, "\n".join(wrong)
        self._before = rows

    def _run(self, coroutine):
        return self._runner.run(coroutine)


async def _together(*asked):
    return await asyncio.gather(*asked)


def pick_of(those, pick):
    """One of them, the newest for 0; None if there is none."""
    return those[-1 - pick % len(those)] if those else None
