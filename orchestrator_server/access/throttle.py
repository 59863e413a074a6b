"""How often a caller may be wrong. In memory, per server process, of bounded size.

Wrong passwords lock an account for the address they came from, never for its owner elsewhere:
a stranger can shut out nobody. Whoever signed in from an address before is known there, and
goes on even while the account is guessed at from everywhere.

Addresses are counted as `addresses.client_of` says, and accounts only if they exist. Each kind of
count has a table of its own, so that what fills one costs nothing in another.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from orchestrator_server.addresses import client_of
from orchestrator_server.errors import TooMany
from sdk.contract.settings import SecuritySettings

ENTRIES = 10_000  # of each table; the oldest is forgotten
SIGN_INS, MACHINE_KEYS = "sign-ins", "machine keys"
WRONG_PER_MINUTE = {SIGN_INS: 20, MACHINE_KEYS: 100}  # of one address or person
OTHERS_PER_MINUTE = 10  # registering, forgetting, resetting: of one address, each
FAILURES_PER_HOUR = 100  # of one account, from addresses that nobody knows
MAILS_PER_HOUR = 3  # to one person, whoever asks for them
KEPT = 1000  # as many as any limit counts
KNOWN_ADDRESSES = 100  # of one account, so that nobody can make the server forget another's

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

Clock = Callable[[], datetime]
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Table(OrderedDict[K, V], Generic[K, V]):
    """The latest entries."""

    def put(self, key: K, value: V, most: int) -> None:
        self[key] = value
        self.move_to_end(key)
        while len(self) > most:
            self.popitem(last=False)


class _Counts(_Table[K, deque[datetime]]):
    """When something happened, by who or what did it."""

    def note(self, key: K, now: datetime) -> None:
        times = self.get(key) or deque(maxlen=KEPT)
        times.append(now)
        self.put(key, times, ENTRIES)

    def since(self, key: K, since: datetime) -> int:
        return sum(at > since for at in self.get(key, ()))


class _Pair(NamedTuple):
    account: str
    address: str


class _Guesses:
    """Wrong passwords, and the locks that they led to."""

    def __init__(self) -> None:
        self.failures: _Counts[_Pair] = _Counts()
        self.locked: _Table[_Pair, datetime] = _Table()  # until when


class Throttle:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._charged: defaultdict[str, _Counts[str]] = defaultdict(_Counts)  # by what is charged
        self._strangers: _Counts[str] = _Counts()  # by account: failures of unknown addresses
        self._mails: _Counts[int] = _Counts()  # by person
        self._known: _Table[str, _Table[str, None]] = _Table()  # by account: addresses
        # Strangers may come from any number of addresses; those do not push out known ones.
        self._of_known, self._of_strangers = _Guesses(), _Guesses()

    def charge(self, what: str, whose: str) -> None:
        """Count a try before any work is done for it; TooMany if there were too many already.
        `whose` is an address or a person."""
        whose, now, charged = client_of(whose), self._clock(), self._charged[what]
        most = WRONG_PER_MINUTE.get(what, OTHERS_PER_MINUTE)
        if charged.since(whose, now - MINUTE) >= most:
            raise TooMany(
                "Too many attempts from your address; try again in a minute.",
                retry_after_seconds=60,
            )
        charged.note(whose, now)

    def refund(self, what: str, whose: str) -> None:
        """What was right does not count."""
        if times := self._charged[what].get(client_of(whose)):
            times.pop()

    def is_locked(self, account: str, address: str) -> bool:
        """Whether this account cannot be signed in to from this address now, even rightly."""
        pair = _Pair(account, client_of(address))
        is_known = self._is_known(pair)
        if self._is_shut(pair, self._of_known if is_known else self._of_strangers):
            return True
        if is_known:
            return False
        return self._strangers.since(account, self._clock() - HOUR) >= FAILURES_PER_HOUR

    def failed(self, account: str, address: str, settings: SecuritySettings) -> None:
        """One more wrong password for an account that exists. While the lock holds it is not made
        longer."""
        pair, now = _Pair(account, client_of(address)), self._clock()
        guesses = self._of_known
        if not self._is_known(pair):
            guesses = self._of_strangers
            self._strangers.note(account, now)
        if self._is_shut(pair, guesses):
            return
        window = timedelta(minutes=settings.lockout_minutes)
        guesses.failures.note(pair, now)
        if guesses.failures.since(pair, now - window) >= settings.max_failed_logins:
            del guesses.failures[pair]
            guesses.locked.put(pair, now + window, ENTRIES)

    def succeeded(self, account: str, address: str) -> None:
        pair = _Pair(account, client_of(address))
        for guesses in (self._of_known, self._of_strangers):
            guesses.failures.pop(pair, None)
        known = self._known.get(account) or _Table()
        known.put(pair.address, None, KNOWN_ADDRESSES)
        self._known.put(account, known, ENTRIES)

    def may_mail(self, person_id: int) -> bool:
        """Whether this person may be sent one more mail that anybody can ask for; counts it."""
        now = self._clock()
        if self._mails.since(person_id, now - HOUR) >= MAILS_PER_HOUR:
            return False
        self._mails.note(person_id, now)
        return True

    def _is_known(self, pair: _Pair) -> bool:
        return pair.address in self._known.get(pair.account, ())

    def _is_shut(self, pair: _Pair, guesses: _Guesses) -> bool:
        until = guesses.locked.get(pair)
        return until is not None and self._clock() < until
