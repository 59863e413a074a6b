"""Who waits for a sign-in to be confirmed, and who asks too often. Per server, in memory."""

import asyncio
from collections import OrderedDict

from orchestrator_server.errors import TooMany

INTERVAL_SECONDS = 2
ANOTHER_SERVER_SECONDS = 1.0  # a confirmation that another process took in is seen so soon
REMEMBERED = 10_000


class Waiting:
    def __init__(self) -> None:
        self._decided = asyncio.Event()
        self._asked_at: OrderedDict[str, float] = OrderedDict()
        self._is_closed = False

    def ask(self, session_id: str) -> None:
        """Note a question; TooMany if the last one came a moment ago (RFC 8628, section 3.5)."""
        now = asyncio.get_running_loop().time()
        before = self._asked_at.get(session_id)
        self._asked_at[session_id] = now
        self._asked_at.move_to_end(session_id)
        while len(self._asked_at) > REMEMBERED:
            self._asked_at.popitem(last=False)
        if before is not None and now - before < INTERVAL_SECONDS:
            raise TooMany(
                f"Ask every {INTERVAL_SECONDS} seconds, or let the server wait.",
                retry_after_seconds=INTERVAL_SECONDS,
                kind="slow-down",
            )

    async def wait(self, seconds: float) -> bool:
        """Until something may have changed; whether there is any use in looking again."""
        try:
            async with asyncio.timeout(min(seconds, ANOTHER_SERVER_SECONDS)):
                await self._decided.wait()
        except TimeoutError:
            pass  # another server may know more
        return not self._is_closed

    def wake(self) -> None:
        """Somebody has decided something; whom it does not concern waits on."""
        self._decided.set()
        self._decided = asyncio.Event()

    def close(self) -> None:
        self._is_closed = True
        self._decided.set()
