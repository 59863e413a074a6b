"""What handing out jobs means when one thing happens after another."""

from typing import NamedTuple


class Create(NamedTuple):
    job: int
    priority: int


class Claim(NamedTuple):
    robot: int
    key: str


class Report(NamedTuple):
    robot: int
    job: int


class Dispatch(NamedTuple):
    """All that decides the next answer."""

    pending: tuple[tuple[int, int], ...] = ()  # (-priority, job), sorted: the first one is next
    held: frozenset[tuple[int, int]] = frozenset()  # (robot, its job)
    used: frozenset[str] = frozenset()  # keys that were granted a job

    def after(self, asked) -> tuple["Dispatch", int | None]:
        """What is then, and the answer: the job that was granted, or that the report ended."""
        match asked:
            case Create(job, priority):
                return self._replace(pending=tuple(sorted((*self.pending, (-priority, job))))), job
            case Claim(robot, key):
                return self._claimed(robot, key)
            case Report(robot, job):
                held = (robot, job) in self.held
                return self._replace(held=self.held - {(robot, job)}), job if held else None
        raise TypeError(asked)

    def _claimed(self, robot: int, key: str) -> tuple["Dispatch", int | None]:
        for holder, job in self.held:
            if holder == robot:
                return self, job
        if key in self.used or not self.pending:
            return self, None
        (_, job), *rest = self.pending
        return Dispatch(tuple(rest), self.held | {(robot, job)}, self.used | {key}), job
