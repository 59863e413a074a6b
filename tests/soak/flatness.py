"""Whether what a program uses stays what it was, judged from samples. Pure.

The beginning, when everything is used for the first time, is left out; the first third of the rest
is compared with the last. A program that is killed again and again is compared at the same ages:
a young one uses less, whatever leaks. What it may grow by is said with each measure.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

WARM_UP = 1 / 6  # of the run
WARM_UP_SECONDS = 60.0  # but no more
YOUNG_SECONDS = 5.0  # a program that starts
AGE_SECONDS = 5.0  # those of one age


class Measure(NamedTuple):
    name: str
    unit: str
    may_grow_by: float
    and_by_robot: float = 0  # each robot of the program
    and_by_share: float = 0.1

    @property
    def tolerance(self) -> str:
        by_robot = f" +{self.and_by_robot:g}/robot" * bool(self.and_by_robot)
        return f"+{self.and_by_share:.0%} +{self.may_grow_by:g}{self.unit}{by_robot}"


MEASURES = (
    Measure("memory", " MiB", 6),
    Measure("descriptors", "", 10, 1),  # one to three connections, none after an outage
    Measure("threads", "", 2),
    Measure("temporary files", "", 5, 1),  # the folder of a job stays until it is reported
)


class Sample(NamedTuple):
    at: float  # seconds since the beginning
    age: float  # of the program, since it was started
    values: tuple[float, ...]  # in the order of MEASURES


class Ends(NamedTuple):
    """What was used in the first third and in the last."""

    measure: Measure
    robots: int
    first: float
    last: float

    @property
    def is_flat(self) -> bool:
        measure = self.measure
        growth = measure.may_grow_by + measure.and_by_robot * self.robots
        return self.last <= self.first * (1 + measure.and_by_share) + growth


def ends(samples: Sequence[Sample], seconds: float, robots: int) -> list[Ends]:
    """Of one program, measure by measure; nothing if there is too little to compare."""
    warm = min(WARM_UP_SECONDS, WARM_UP * seconds)
    third = (seconds - warm) / 3
    old = [s for s in samples if s.age >= YOUNG_SECONDS]
    first = [s for s in old if warm <= s.at < warm + third]
    last = [s for s in old if s.at >= seconds - third]
    if not first or not last:
        return []
    return [
        Ends(measure, robots, *_levels(_by_age(first, number), _by_age(last, number)))
        for number, measure in enumerate(MEASURES)
    ]


def problems(program: str, compared: Sequence[Ends]) -> list[str]:
    """A sentence for each measure that is not flat."""
    return [
        f"{program}: {e.measure.name} grew from {e.first:.0f}{e.measure.unit} in the first third "
        f"to {e.last:.0f}{e.measure.unit} in the last; {e.measure.tolerance} is allowed."
        for e in compared
        if not e.is_flat
    ]


def _by_age(samples: list[Sample], number: int) -> dict[int, list[float]]:
    values = defaultdict(list)
    for sample in samples:
        values[int(sample.age // AGE_SECONDS)].append(sample.values[number])
    return values


def _levels(first: dict[int, list[float]], last: dict[int, list[float]]) -> tuple[float, float]:
    """At the ages that both have seen; one that lives on is never again as young."""
    common = first.keys() & last.keys()
    if not common:
        return median(chain(*first.values())), median(chain(*last.values()))
    return (
        median(median(first[age]) for age in common),
        median(median(last[age]) for age in common),
    )
