"""What a soak is asked to do."""

from dataclasses import dataclass
from random import Random

LARGEST_GROUP = 50  # simulated robots of one process; an agent hosts 100 at most


@dataclass(frozen=True)
class Plan:
    minutes: float = 5.0
    seed: int = 7
    robots: int = 200  # simulated
    agents: int = 5  # real
    server_lives_seconds: float = 30.0
    database_url: str | None = None  # none: SQLite

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def groups(self) -> list[int]:
        """How many robots each simulated agent has."""
        full, rest = divmod(self.robots, LARGEST_GROUP)
        return [LARGEST_GROUP] * full + [rest] * (rest > 0)

    def dice(self, whose: str) -> Random:
        """Dice of one's own: how often one of us throws does not change what others get."""
        return Random(f"{self.seed} {whose}")
