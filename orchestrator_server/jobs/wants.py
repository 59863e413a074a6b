"""What a waiting job asks of a robot, as far as it is known without the database. Pure."""

import msgspec


class Taker(msgspec.Struct, frozen=True):
    """A robot that waits for a job."""

    id: int
    machine_id: int | None
    labels: frozenset[str]


class Wants(msgspec.Struct, frozen=True):
    robot_id: int | None = None
    machine_id: int | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, robot_id: int | None, machine_id: int | None, labels: list[str]) -> "Wants":
        return cls(robot_id, machine_id, tuple(sorted(labels)))

    def fit(self, taker: Taker) -> bool:
        """Whether the robot may have the job, if its process leaves room for it."""
        return (
            self.robot_id in (None, taker.id)
            and self.machine_id in (None, taker.machine_id)
            and taker.labels.issuperset(self.labels)
        )
