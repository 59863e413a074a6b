"""The other servers on the same database: hints to them and from them, and which one leads.

One of them looks after leases and old things; any of them takes over. A SQLite file has one
server, which leads.
"""

from collections.abc import Callable
from typing import Protocol

Heard = Callable[[bytes], None]


class Peers(Protocol):
    @property
    def is_leader(self) -> bool: ...

    @property
    def is_alone(self) -> bool:
        """Whether nobody else changes anything, as far as was seen a second ago."""

    def tell(self, hint: bytes) -> None:
        """Say it to the others, soon; it may be lost."""

    async def start(self, heard: Heard) -> None:
        """Look for the others, and hear them from now on."""

    async def stop(self) -> None: ...


class Alone:
    is_leader = True
    is_alone = True

    def tell(self, hint: bytes) -> None:
        pass

    async def start(self, heard: Heard) -> None:
        pass

    async def stop(self) -> None:
        pass
