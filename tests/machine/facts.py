"""What is there before a machine begins: who asks, and what can be run and taken."""

from datetime import UTC, datetime
from typing import NamedTuple

START = datetime(2030, 1, 1, tzinfo=UTC)


class Robot(NamedTuple):
    machine_id: int | None = None
    labels: tuple[str, ...] = ()


class Queue(NamedTuple):
    name: str
    max_retries: int
    lease_seconds: int | None = None


# By their ids.
ROBOTS = {1: Robot(machine_id=1), 2: Robot(labels=("excel",)), 3: Robot()}
LIMITS = {1: None, 2: 1}  # how many jobs of a process may run at once
QUEUES = {1: Queue("bills", max_retries=1), 2: Queue("timed", max_retries=2, lease_seconds=30)}
