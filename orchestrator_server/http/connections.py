"""How many connections this process has, and which of them make room for others.

A connection counts as waiting as long as its client has not sent a whole request: between
requests, within a head, within a body. Strangers have a few of those per client; callers that have
shown a credential have a share of all (record 31).
"""

import resource
from collections import OrderedDict, defaultdict
from http import HTTPStatus
from typing import Protocol

import msgspec
import structlog

from orchestrator_server.errors import Unavailable
from sdk.contract.problem import MEDIA_TYPE, Problem

MOST_FILES = 1024 * 1024  # of one process; where the system sets no limit, one is enough
RESERVED_FILES = 256  # for the database, files in transit and a burst of new connections
RESERVED_PART = 4  # or this part of all, if that is more

CROWDED = "The server has too many connections that wait for their client; try again in a moment."

log = structlog.get_logger(__name__)


def _refusal() -> bytes:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    problem = Problem(
        type="/problems/unavailable", title=status.phrase, status=status.value, detail=CROWDED
    )
    body = msgspec.json.encode(problem)
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Retry-After: {Unavailable.retry_after_seconds}",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


REFUSAL = _refusal()  # where there is no request to answer


def raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # macOS allows less than it says
        log.warning("the limit of open files stays as it is", limit=soft, why=str(error))


def most_connections() -> int:
    """As many as leave the process a reserve of descriptors."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        files = MOST_FILES
    return files - max(files // RESERVED_PART, min(RESERVED_FILES, files // 2))


class Connection(Protocol):
    """What is counted."""

    def make_room(self) -> None:
        """End, with an answer if a request has begun."""


class Waiting:
    """Connections that wait for their client, the longest waiting first."""

    def __init__(self, per_client: int) -> None:
        self._per_client = per_client
        self._clients: OrderedDict[Connection, str | None] = OrderedDict()
        self._of_client: defaultdict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)

    def add(self, connection: Connection, client: str | None) -> None:
        """`client` is None for a trusted proxy, which has as many as it needs."""
        self.remove(connection)
        self._clients[connection] = client
        if client is not None:
            own = self._of_client[client]
            own[connection] = None
            if len(own) > self._per_client:
                self._end(next(iter(own)))

    def remove(self, connection: Connection) -> None:
        client = self._clients.pop(connection, None)
        if client is not None:
            own = self._of_client[client]
            del own[connection]
            if not own:
                del self._of_client[client]

    def end_longest(self) -> bool:
        """Whether there was one to end."""
        longest = next(iter(self._clients), None)
        if longest is not None:
            self._end(longest)
        return longest is not None

    def _end(self, connection: Connection) -> None:
        self.remove(connection)
        connection.make_room()


class Connections:
    """All connections of one process."""

    def __init__(self, most: int, waiting_per_client: int) -> None:
        self._most = most
        self._count = 0
        self._strangers = Waiting(waiting_per_client)
        self._known = Waiting(max(most // 2, waiting_per_client))

    def open(self) -> bool:
        """Count one more; whether there is room for it. Every call is followed by a `close`."""
        self._count += 1
        return self._count <= self._most or (
            self._strangers.end_longest() or self._known.end_longest()
        )

    def close(self, connection: Connection) -> None:
        self._count -= 1
        self.stop_waiting(connection)

    def wait(self, connection: Connection, client: str | None) -> None:
        """The client has not sent a whole request."""
        self._strangers.add(connection, client)

    def wait_as_known(self, connection: Connection, client: str | None) -> None:
        """The client of an unfinished request has shown a credential."""
        self._strangers.remove(connection)
        self._known.add(connection, client)

    def stop_waiting(self, connection: Connection) -> None:
        self._strangers.remove(connection)
        self._known.remove(connection)
