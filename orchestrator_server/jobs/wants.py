"""What a waiting job asks of a robot, as far as it is known without the database. Pure."""

from collections import defaultdict

import msgspec


class Taker(msgspec.Struct, frozen=True):
    """A robot that waits for a job."""

    id: int
    machine_id: int | None
    labels: frozenset[str]
    is_paused: bool = False


class Wants(msgspec.Struct, frozen=True):
    robot_id: int | None = None
    machine_id: int | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, robot_id: int | None, machine_id: int | None, labels: list[str]) -> "Wants":
        return cls(robot_id, machine_id, tuple(sorted(labels)))

    def fit(self, taker: Taker) -> bool:
        """Whether the robot may have the job, if its process leaves room for it."""
        if taker.is_paused and self.robot_id != taker.id:
            return False
        return (
            self.robot_id in (None, taker.id)
            and self.machine_id in (None, taker.machine_id)
            and taker.labels.issuperset(self.labels)
        )


class Demand:
    """What many jobs want, to be given out to those who wait: a question of each robot, not of each
    robot for each job."""

    def __init__(self, wanted: list[tuple[Wants, int]]) -> None:
        self._left = dict(wanted)
        self._by_place: dict[tuple[int | None, int | None], list[Wants]] = defaultdict(list)
        for wants in self._left:
            self._by_place[wants.robot_id, wants.machine_id].append(wants)

    def take(self, taker: Taker) -> bool:
        """Whether there is a job for it, which is nobody else's then."""
        machines = {None, taker.machine_id}
        for place in [(robot, machine) for robot in (taker.id, None) for machine in machines]:
            for wants in self._by_place.get(place, ()):
                if self._left[wants] and wants.fit(taker):
                    self._left[wants] -= 1
                    return True
        return False
