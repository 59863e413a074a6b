"""Every world that can come to be, the near ones first, so that what is found is shortest."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from tests.model.agents import DEAD, NOTHING
from tests.model.promises import NOT_STUCK, broken
from tests.model.protocol import FINAL, Job
from tests.model.telling import told
from tests.model.world import Limits, Rules, Step, World, first, steps


class Found(NamedTuple):
    states: int
    steps: int
    promise: str | None = None  # the one that is broken
    trace: tuple[str, ...] = ()
    jobs: frozenset[Job] = frozenset()


def explore(limits: Limits, rules: Rules = Rules()) -> Found:  # noqa: B008 -- immutable
    with _no_collection_of_garbage():
        return _Exploration(limits, rules).run()


class _Exploration:
    def __init__(self, limits: Limits, rules: Rules) -> None:
        self._limits, self._rules = limits, rules
        self._worlds: list[World] = []
        self._numbers: dict[World, int] = {}
        self._came_by: list[tuple[int, Step | None]] = []  # from which world, by which step
        self._before: list[list[int]] = []  # the worlds that lead here without a fault
        self._step_count = 0

    def run(self) -> Found:
        self._number(first(self._limits), 0, None)
        for number, world in enumerate(self._worlds):  # grows while it is walked
            for step in steps(world, self._rules, self._limits):
                self._step_count += 1
                if promise := broken(world, step, self._limits):
                    return self._found(promise, [*self._way_to(number), step])
                after = self._numbers.get(step.world)
                if after is None:
                    after = self._number(step.world, number, step)
                if not step.is_fault:
                    self._before[after].append(number)
        stuck = self._first_stuck()
        return self._found() if stuck is None else self._found(NOT_STUCK, self._way_to(stuck))

    def _number(self, world: World, came_from: int, by: Step | None) -> int:
        number = self._numbers[world] = len(self._worlds)
        self._worlds.append(world)
        self._came_by.append((came_from, by))
        self._before.append([])
        return number

    def _first_stuck(self) -> int | None:
        """The first world from which, though nothing fails any more, no good end is reached."""
        to_visit = [n for n, world in enumerate(self._worlds) if _is_good_end(world)]
        hopeful = set(to_visit)
        while to_visit:
            for number in self._before[to_visit.pop()]:
                if number not in hopeful:
                    hopeful.add(number)
                    to_visit.append(number)
        return next((n for n in range(len(self._worlds)) if n not in hopeful), None)

    def _way_to(self, number: int) -> list[Step]:
        way = []
        while (came := self._came_by[number])[1] is not None:
            way.append(came[1])
            number = came[0]
        return way[::-1]

    def _found(self, promise: str | None = None, way: Sequence[Step] = ()) -> Found:
        jobs = frozenset(world.job for world in self._worlds)
        trace = tuple(map(told, way))
        return Found(len(self._worlds), self._step_count, promise, trace, jobs)


def _is_good_end(world: World) -> bool:
    """The job has ended, each agent that is there waits for the next one, and all is told."""
    at_rest = all(agent.stage in (NOTHING, DEAD) for agent in world.agents)
    return world.job.status in FINAL and at_rest and not world.network


@contextmanager
def _no_collection_of_garbage() -> Iterator[None]:
    """A million small tuples, and no cycle among them."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
