"""How often somebody may be wrong. In memory, per server, of bounded size.

Wrong passwords lock an account for the address they came from, never for its owner elsewhere:
a stranger can shut out nobody. Whoever signed in from an address before is known there, and
goes on even while the account is guessed at from everywhere.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta

from orchestrator_server.errors import TooMany
from sdk.contract.settings import SecuritySettings

ENTRIES = 10_000
FAILURES_PER_MINUTE = 20  # of one address, whatever the account
FAILURES_PER_HOUR = 100  # of one account, from addresses that nobody knows
KEPT_FAILURES = 1000

Clock = Callable[[], datetime]
_Key = tuple[str, str]  # account and address; "" stands for any


class Throttle:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[_Key, deque[datetime]] = OrderedDict()
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def must_be_patient(self, address: str) -> None:
        """Raise TooMany if this address was wrong too often within a minute."""
        count = self._count(("", address), timedelta(minutes=1))
        if count >= FAILURES_PER_MINUTE:
            raise TooMany(
                "Too many attempts from your address; try again in a minute.",
                retry_after_seconds=60,
            )

    def is_locked(self, account: str, address: str, settings: SecuritySettings) -> bool:
        """Whether this account cannot be signed in to from this address now, even rightly."""
        window = timedelta(minutes=settings.lockout_minutes)
        if self._count((account, address), window) >= settings.max_failed_logins:
            return True
        if (account, address) in self._known:
            return False
        return self._count((account, ""), timedelta(hours=1)) >= FAILURES_PER_HOUR

    def failed(self, account: str, address: str) -> None:
        now = self._clock()
        for key in ((account, address), ("", address), (account, "")):
            failures = self._failures.setdefault(key, deque(maxlen=KEPT_FAILURES))
            failures.append(now)
            self._failures.move_to_end(key)
        _shrink(self._failures)

    def succeeded(self, account: str, address: str) -> None:
        self._failures.pop((account, address), None)
        self._known[(account, address)] = None
        self._known.move_to_end((account, address))
        _shrink(self._known)

    def _count(self, key: _Key, window: timedelta) -> int:
        since = self._clock() - window
        return sum(at > since for at in self._failures.get(key, ()))


def _shrink(entries: OrderedDict[_Key, deque[datetime]] | OrderedDict[_Key, None]) -> None:
    while len(entries) > ENTRIES:
        entries.popitem(last=False)
