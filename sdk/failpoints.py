"""Places where a test may end, stop, slow down or break a program. Without one, a look-up.

Active only with RUNWRIGHT_TEST=1 and, for example,
RUNWRIGHT_FAILPOINTS=claim.before_commit=kill,report.after_commit=sleep:2 in the environment;
`name=kill@3` acts at the third time that place is passed, and only then.
"""

import os
import signal
import time
from collections import Counter
from typing import NamedTuple


class Injected(OSError):
    """What `raise` raises: an error as the system might give it, ENOSPC unless it says another."""


class _Deed(NamedTuple):
    verb: str
    argument: str
    at_pass: int  # 0: each time


_ENOSPC = "28"
_passes: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """Pass the place `name`; nothing happens unless the environment asks for it."""
    if name not in _deeds:
        return
    deed = _deeds[name]
    _passes[name] += 1
    if deed.at_pass in (0, _passes[name]):
        _do(deed)


def _do(deed: _Deed) -> None:
    match deed.verb:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(float(deed.argument))
        case "raise":
            raise Injected(int(deed.argument or _ENOSPC), "injected by a failpoint")


def _read(text: str) -> dict[str, _Deed]:
    deeds = {}
    for entry in filter(None, text.split(",")):
        name, _, what = entry.partition("=")
        what, _, at_pass = what.partition("@")
        verb, _, argument = what.partition(":")
        if verb not in ("kill", "stop", "sleep", "raise"):
            raise ValueError(f"RUNWRIGHT_FAILPOINTS: {entry!r} is not NAME=kill|stop|sleep|raise.")
        deeds[name] = _Deed(verb, argument, int(at_pass or 0))
    return deeds


_is_a_test = os.environ.get("RUNWRIGHT_TEST") == "1"
_deeds = _read(os.environ.get("RUNWRIGHT_FAILPOINTS", "")) if _is_a_test else {}
