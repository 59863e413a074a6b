"""Wakes who waits for what has just been committed: here, else at the other servers.

The others are told only of what nobody here was waiting for. A hint may be lost, see db/wakeups.py.
"""

import msgspec
import structlog

from orchestrator_server.db.peers import Peers
from orchestrator_server.db.wakeups import Wakeups
from orchestrator_server.jobs.wants import Taker, Wants

log = structlog.get_logger(__name__)


class Hint(msgspec.Struct, frozen=True, omit_defaults=True):
    job: Wants | None = None  # a job waits for a robot
    order: int | None = None  # there is word for whoever runs this job


class Hints:
    def __init__(self, robots: Wakeups[Taker], orders: Wakeups[int], peers: Peers) -> None:
        self._robots = robots
        self._orders = orders
        self._peers = peers

    def job(self, wants: Wants) -> None:
        """A job may be claimed by a robot that it fits."""
        self._give(Hint(job=wants))

    def order(self, job_id: int) -> None:
        """A running job is to stop, or to finish early."""
        hint = Hint(order=job_id)
        self._wake(hint)  # who waits here may be gone, and its robot ask elsewhere
        self._peers.tell(msgspec.json.encode(hint))

    def hear(self, told: bytes) -> None:
        """What another server says, as `Peers` brings it."""
        try:
            self._wake(msgspec.json.decode(told, type=Hint))
        except msgspec.MsgspecError as error:
            log.warning("a hint from another server is not one", why=str(error))

    def _give(self, hint: Hint) -> None:
        if not self._wake(hint):
            self._peers.tell(msgspec.json.encode(hint))

    def _wake(self, hint: Hint) -> bool:
        if hint.job is not None:
            return self._robots.wake_one(hint.job.fit)
        return self._orders.wake_each(lambda job_id: job_id == hint.order)
