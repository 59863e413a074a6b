"""Servers on one PostgreSQL find each other by one connection each, held all the time.

It listens for hints, and holds the advisory lock of the leader: when the server or its machine
dies PostgreSQL closes the connection, and with it goes the lock, to whoever asks next. It cannot
go through a pooler that lends connections by transaction; all others can.
"""

import asyncio
import secrets
from collections import deque
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

from orchestrator_server.db.peers import Heard
from orchestrator_server.db.queries import Query
from orchestrator_server.db.transaction import Database, Transaction
from orchestrator_server.errors import OrchestratorError

log = structlog.get_logger(__name__)

CHANNEL = "runwright"
NAME = "runwright-server"
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 10.0  # with a PostgreSQL that does not answer
SPACING_SECONDS = 0.01  # between two notifications: what comes meanwhile goes together
PAYLOAD_BYTES = 7_900  # PostgreSQL takes less than 8,000
USER_TIMEOUT_MILLISECONDS = 25_000
FROZEN_SECONDS = 30  # a leader that has not looked for so long does not lead
MOST_WAITING = 1_000  # hints; with more than that, robots are found by the look once a second

# Of a machine that is gone, both sides hear within half a minute, also while something is on its
# way to it: then there are no keepalives.
_CONNECT: dict[str, Any] = {
    "autocommit": True,
    "application_name": NAME,
    "target_session_attrs": "read-write",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": USER_TIMEOUT_MILLISECONDS,
}
_LISTEN = (
    f"LISTEN {CHANNEL}",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    f"SET tcp_user_timeout = {USER_TIMEOUT_MILLISECONDS}",
)
# CASE, because a lock that is taken twice must be given back twice.
_LOOK = """
SELECT CASE WHEN %s THEN TRUE ELSE pg_try_advisory_lock(5279829) END AS leads,
       (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = %s) AS servers
"""
_FREE = """
SELECT pg_terminate_backend(holder.pid) FROM pg_locks AS held
JOIN pg_stat_activity AS holder ON holder.pid = held.pid
WHERE held.locktype = 'advisory' AND held.objid = 5279829 AND held.granted
  AND holder.datname = current_database() AND holder.application_name = %s
  AND holder.state_change < clock_timestamp() - make_interval(secs => %s)
"""
_NOTIFY = Query("notify", "SELECT pg_notify(:channel, :payload)")


class PostgresPeers:
    def __init__(self, url: str, database: Database) -> None:
        self._url = url
        self._database = database
        self._id = secrets.token_hex(8)
        self._leads = False
        self.is_alone = False
        self._is_stopping = False
        self._has_looked = asyncio.Event()
        self._waiting: deque[bytes] = deque()  # hints
        self._attending: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None

    @property
    def is_leader(self) -> bool:
        return self._leads

    async def start(self, heard: Heard) -> None:
        """Returns when it is known whether this server leads, or that this cannot be known now."""
        self._attending = asyncio.create_task(self._attend(heard), name="attend to peers")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_looked.wait(), PATIENCE_SECONDS)

    async def stop(self) -> None:
        self._is_stopping = True
        for task in (self._sending, self._attending):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def tell(self, hint: bytes) -> None:
        if self.is_alone or len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.append(hint)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send(), name="tell peers")

    async def _send(self) -> None:
        while self._waiting:
            payload = self._take()
            try:
                await self._database.urgent.write(_notify, payload)
            except OrchestratorError as error:
                log.debug("other servers could not be told", why=str(error))
            await asyncio.sleep(SPACING_SECONDS)

    def _take(self) -> str:
        """As many hints as fit, a line each, behind our name."""
        parts = [self._id.encode()]
        size = len(parts[0])
        while self._waiting:
            longer = size + len(self._waiting[0]) + 1
            if longer > PAYLOAD_BYTES and len(parts) > 1:
                break
            hint = self._waiting.popleft()
            if longer <= PAYLOAD_BYTES:  # else it is told to nobody
                parts.append(hint)
                size = longer
        return b"\n".join(parts).decode()

    async def _attend(self, heard: Heard) -> None:
        while not self._is_stopping:  # a driver may make another error of a cancellation
            try:
                await self._listen(heard)
            except (psycopg.Error, OSError) as error:
                log.warning("not connected to the other servers", why=type(error).__name__)
            except Exception:  # a bug of ours; without this task nobody would ever lead
                log.exception("hearing the other servers failed; it begins anew")
            finally:
                self._leads = self.is_alone = False
                self._has_looked.set()  # and failed
            await asyncio.sleep(LOOK_SECONDS)

    async def _listen(self, heard: Heard) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            connection = await AsyncConnection.connect(self._url, **_CONNECT)
        async with connection:
            for line in _LISTEN:
                await connection.execute(line)
            while True:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._look(connection)
                async for notification in connection.notifies(timeout=LOOK_SECONDS):
                    sender, *hints = notification.payload.encode().split(b"\n")
                    if sender.decode() != self._id:
                        for hint in hints:
                            heard(hint)

    async def _look(self, connection: AsyncConnection[Any]) -> None:
        cursor = await connection.execute(_LOOK, (self._leads, NAME))
        [(self._leads, servers)] = await cursor.fetchall()
        self.is_alone = servers == 1
        if not self._leads:
            await connection.execute(_FREE, (NAME, FROZEN_SECONDS))
        self._has_looked.set()


def _notify(tx: Transaction, payload: str) -> None:
    tx.run(_NOTIFY, channel=CHANNEL, payload=payload)
