"""How often somebody may be wrong. In memory, per server, of bounded size.

Wrong passwords lock an account for the address they came from, never for its owner elsewhere:
a stranger can shut out nobody. Whoever signed in from an address before is known there, and
goes on even while the account is guessed at from everywhere.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from orchestrator_server.errors import TooMany
from sdk.contract.settings import SecuritySettings

ENTRIES = 10_000  # of each kind; the oldest is forgotten
SIGN_INS, MACHINE_KEYS = "sign-ins", "machine keys"
WRONG_PER_MINUTE = {SIGN_INS: 20, MACHINE_KEYS: 100}  # of one address or person
OTHERS_PER_MINUTE = 10  # registering, forgetting, resetting: of one address, each
FAILURES_PER_HOUR = 100  # of one account, from addresses that nobody knows
MAILS_PER_HOUR = 3  # to one person, whoever asks for them
KEPT = 1000  # as many as any limit counts

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

Clock = Callable[[], datetime]
T = TypeVar("T")
_Key = tuple[str, str]  # what is counted, and of whom


class Throttle:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[_Key, deque[datetime]] = OrderedDict()
        self._locked: OrderedDict[_Key, datetime] = OrderedDict()  # account, address: until when
        self._known: OrderedDict[_Key, None] = OrderedDict()  # account, address

    def charge(self, what: str, address: str) -> None:
        """Count a try before any work is done for it; TooMany if there were too many already."""
        if self._count((what, address), MINUTE) >= WRONG_PER_MINUTE.get(what, OTHERS_PER_MINUTE):
            raise TooMany(
                "Too many attempts from your address; try again in a minute.",
                retry_after_seconds=60,
            )
        self._note((what, address))

    def refund(self, what: str, address: str) -> None:
        """What was right does not count."""
        if failures := self._failures.get((what, address)):
            failures.pop()

    def is_locked(self, account: str, address: str) -> bool:
        """Whether this account cannot be signed in to from this address now, even rightly."""
        if self._is_shut(account, address):
            return True
        if (account, address) in self._known:
            return False
        return self._count(("strangers", account), HOUR) >= FAILURES_PER_HOUR

    def failed(self, account: str, address: str, settings: SecuritySettings) -> None:
        """One more wrong password. While the lock holds it is not made longer."""
        if (account, address) not in self._known:
            self._note(("strangers", account))
        if self._is_shut(account, address):
            return
        pair, window = (f"at {address}", account), timedelta(minutes=settings.lockout_minutes)
        self._note(pair)
        if self._count(pair, window) >= settings.max_failed_logins:
            del self._failures[pair]
            _put(self._locked, (account, address), self._clock() + window)

    def succeeded(self, account: str, address: str) -> None:
        self._failures.pop((f"at {address}", account), None)
        _put(self._known, (account, address), None)

    def may_mail(self, person: str) -> bool:
        """Whether this person may be sent one more mail that anybody can ask for; counts it."""
        if self._count(("mails", person), HOUR) >= MAILS_PER_HOUR:
            return False
        self._note(("mails", person))
        return True

    def _is_shut(self, account: str, address: str) -> bool:
        until = self._locked.get((account, address))
        return until is not None and self._clock() < until

    def _note(self, key: _Key) -> None:
        failures = self._failures.get(key) or deque(maxlen=KEPT)
        failures.append(self._clock())
        _put(self._failures, key, failures)

    def _count(self, key: _Key, window: timedelta) -> int:
        since = self._clock() - window
        return sum(at > since for at in self._failures.get(key, ()))


def _put(entries: OrderedDict[_Key, T], key: _Key, value: T) -> None:
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > ENTRIES:
        entries.popitem(last=False)
