"""Who asked a moment ago: their next request need not be looked up in the database.

What a request here may have changed about anybody is forgotten when that request is over; what
was changed elsewhere holds within a second, as settings do. A server that is alone knows robots for
longer: there is no elsewhere.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from orchestrator_server.access.callers import Caller

KNOWN_FOR = timedelta(seconds=1)
ROBOTS_KNOWN_FOR = timedelta(minutes=1)  # no command changes a robot beside the server
MOST = 10_000


class Credential(NamedTuple):
    """What was shown, and from where."""

    is_robot: bool
    token: str
    address: str | None
    user_agent: str


class Known:
    def __init__(self, clock: Callable[[], datetime], is_alone: Callable[[], bool]) -> None:
        self._is_alone = is_alone
        self._clock = clock  # what ends at a time has ended when this says so
        self._callers: dict[Credential, tuple[Caller, datetime, float]] = {}
        self.generation = 0

    def get(self, credential: Credential) -> Caller | None:
        found = self._callers.get(credential)
        if found is None:
            return None
        caller, told, steady = found
        known_for = ROBOTS_KNOWN_FOR if credential.is_robot and self._is_alone() else KNOWN_FOR
        is_fresh = timedelta(0) <= self._clock() - told < known_for
        return caller if is_fresh and time.monotonic() - steady < known_for.seconds else None

    def keep(self, credential: Credential, caller: Caller, generation: int) -> None:
        """`generation`: what it was before the caller was looked up; if it has changed since,
        so may have the caller."""
        if generation != self.generation:
            return
        if len(self._callers) >= MOST:
            self._callers.clear()
        self._callers[credential] = (caller, self._clock(), time.monotonic())

    def forget(self) -> None:
        """Everybody: somebody's rights or credential may be another one from now on."""
        self.generation += 1
        self._callers.clear()
