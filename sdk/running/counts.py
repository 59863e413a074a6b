"""How many processes a script left behind, and what it and they use."""

from typing import NamedTuple


class Swept(NamedTuple):
    killed: int = 0
    left: int = 0  # out of our reach, or born faster than they were killed


class Use(NamedTuple):
    memory_bytes: int = 0
    processes: int = 0


NOBODY = Swept()
