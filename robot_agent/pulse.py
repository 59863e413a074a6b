"""Notices that this agent has gone deaf: the server answers others, and never one of its robots.

Whatever the cause, a bug of ours or of a library, a new start helps; so the process ends, and the
service manager starts it again. It runs on a thread of its own, should the others be stuck.
"""

import logging
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable

from robot_agent.clock import now
from robot_agent.exits import Status

LOOK_SECONDS = 10.0
PROBE_SECONDS = 10.0

log = logging.getLogger(__name__)


class Pulse:
    """Each robot notes here when the server last answered it."""

    def __init__(self) -> None:
        self._heard_at: dict[str, float] = {}

    def note(self, robot: str) -> None:
        self._heard_at[robot] = now()

    def forget(self, robot: str) -> None:
        """It has ended in order."""
        self._heard_at.pop(robot, None)

    def longest_silent(self) -> tuple[str, float] | None:
        """The robot that was not answered for longest, and since when."""
        heard = dict(self._heard_at)
        return min(heard.items(), key=lambda item: item[1]) if heard else None


class Deafness:
    """Decides, look by look. A server that has just come back is given as long as we are."""

    def __init__(self, pulse: Pulse, after_seconds: float, answers: Callable[[], bool]) -> None:
        self._pulse = pulse
        self._after_seconds = after_seconds
        self._answers = answers
        self._answers_since: float | None = None

    def look(self) -> str | None:
        """The name of a robot that is deaf, or None."""
        silent = self._pulse.longest_silent()
        if silent is None or now() - silent[1] < self._after_seconds / 2:
            self._answers_since = None
            return None
        if not self._answers():
            self._answers_since = None
            return None
        if self._answers_since is None:
            self._answers_since = now()
        deaf_since = max(self._answers_since, silent[1])
        return silent[0] if now() - deaf_since >= self._after_seconds / 2 else None


def end_when_deaf(pulse: Pulse, url: str, after_seconds: float) -> None:
    """Watch on a thread of its own for as long as the program runs."""
    deafness = Deafness(pulse, after_seconds, lambda: _is_there(url))
    thread = threading.Thread(target=_watch, args=(deafness,), name="pulse", daemon=True)
    thread.start()


def _watch(deafness: Deafness) -> None:
    looked = threading.Event()
    while not looked.wait(LOOK_SECONDS):
        if robot := deafness.look():
            log.critical(
                "Robot %s hears nothing, and the server answers others: starting anew.", robot
            )
            logging.shutdown()
            os._exit(Status.SOFTWARE)  # nothing else may work; scripts end with us


def _is_there(url: str) -> bool:
    """Whether a plain question is answered, by another way than ours: urllib, a new connection."""
    try:
        with urllib.request.urlopen(  # noqa: S310 -- the address is checked: http or https
            f"{url}/api/health/live", timeout=PROBE_SECONDS
        ) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False
