"""Two clocks between two looks: one tells the time and may be set, the other only goes on.

When the server was stopped, or its clock was set, that a lease is over says nothing about the
robot that holds it.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple


class Moment(NamedTuple):
    told: datetime
    steady_seconds: float

    @classmethod
    def now(cls, clock: Callable[[], datetime]) -> "Moment":
        return cls(clock(), time.monotonic())


def late_seconds(last: Moment, now: Moment, period_seconds: float) -> float:
    """By how much this look comes later than a period after the last one."""
    return now.steady_seconds - last.steady_seconds - period_seconds


def jumped_seconds(last: Moment, now: Moment, period_seconds: float) -> float:
    """How far the clock was set in between, forward or (less than 0) back; 0 if it was not.

    It was if it ran ahead by more than a period, or went back. One that stands still was not set.
    """
    told = (now.told - last.told).total_seconds()
    ahead = told - (now.steady_seconds - last.steady_seconds)
    return ahead if ahead > period_seconds or told < 0 else 0.0
