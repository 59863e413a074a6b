"""Work in pieces: take an item, work on it, and its end is told however that came about.

queue = queues.queue("invoices")
while item := queue.take():
    with item:
        item.result = pay(item.payload)
"""

import os
import sys
import threading

from sdk.runtime import server
from sdk.runtime.errors import BusinessError
from sdk.strict_json import fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

RENEWALS_PER_LEASE = 3
LEAST_PAUSE_SECONDS = 1.0
MESSAGE_CHARACTERS = 4096


class Item:
    """One piece of work, which nobody else has. Leaving its `with` block tells how it ended:

    - by the end of the block: completed, with `item.result`;
    - by BusinessError: failed for good; the block is left without an error, for the next item;
    - by any other exception: failed, and tried again if the queue allows; the exception goes on.
    """

    def __init__(self, content: "dict[str, Any]", lease_seconds: float) -> None:
        self.id: int = content["id"]
        self.payload: dict[str, Any] = content["payload"]
        self.reference: str | None = content["reference"]
        self.retries: int = content["retries"]
        self.result: Any = None
        self._attempt: int = content["attempt"]
        self._lease_seconds: float = lease_seconds
        self._ended = threading.Event()
        self._renewing: threading.Thread | None = None

    def __enter__(self) -> "Item":
        self._renewing = threading.Thread(target=self._keep_renewing, daemon=True)
        self._renewing.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: "TracebackType | None",
    ) -> bool:
        self._ended.set()
        if error is None:
            try:
                self.complete(self.result)
            except (TypeError, ValueError) as problem:  # what is no JSON
                self.fail(problem)
                raise
            return False
        if not isinstance(error, Exception):
            return False  # the script is being stopped: the item goes back with its job
        self.fail(error)
        if isinstance(error, BusinessError):
            print(f"Item {self.reference or self.id} failed: {error}", file=sys.stderr)
            return True
        return False

    def complete(self, result: "Any" = None) -> None:
        """ValueError or TypeError if the orchestrator could not keep the result."""
        from sdk.runtime.arguments import as_json
        from sdk.runtime.job import check_result

        result = as_json(result)
        check_result(result, "an item")
        self._tell("complete", result=result)

    def fail(self, error: "Exception | str") -> None:
        """BusinessError: for good. Anything else: this attempt."""
        kind = "business" if isinstance(error, BusinessError) else "application"
        text = str(error) if isinstance(error, str | BusinessError) else repr(error)
        self._tell("fail", error_type=kind, error_message=fit(text[:MESSAGE_CHARACTERS]))

    def renew(self) -> None:
        """Keep it for another lease; done by itself inside the `with` block."""
        self._tell("renew")

    def _tell(self, what: str, **said: "Any") -> None:
        server.ask("POST", f"/api/queue-items/{self.id}/{what}", {"attempt": self._attempt, **said})

    def _keep_renewing(self) -> None:
        pause = max(LEAST_PAUSE_SECONDS, self._lease_seconds / RENEWALS_PER_LEASE)
        while not self._ended.wait(pause):
            try:
                self.renew()
            except server.ServerError as error:
                print(f"Item {self.reference or self.id} could not be kept: {error}",
                      file=sys.stderr)  # fmt: skip
                return


class Queue:
    def __init__(self, name: str) -> None:
        self.name = name

    def add(
        self,
        payload: "dict[str, Any]",
        *,
        reference: str | None = None,
        priority: int = 0,
        defer_until: "str | None" = None,
        deadline: "str | None" = None,
    ) -> int:
        """Put an item in and return its number. Times are RFC 3339.

        Raises ServerError (409) if the queue wants references to be unique, and it is not."""
        wanted = {
            "payload": payload,
            "reference": reference,
            "priority": priority,
            "defer_until": defer_until,
            "deadline": deadline,
        }
        path = f"/api/runtime/queues/{server.quoted(self.name)}/items"
        return int(server.ask("POST", path, wanted, key=_new_key())["id"])

    def take(self) -> Item | None:
        """The next item, or None if the queue has none for now."""
        asked = {"queue": self.name, "claim_key": _new_key()}
        claimed = server.ask("POST", "/api/queue-items/claim", asked)
        if claimed["item"] is None:
            return None
        return Item(claimed["item"], claimed["lease_seconds"])


class Queues:
    def queue(self, name: str) -> Queue:
        """A queue, by its name; it is looked for when it is used."""
        return Queue(name)


def _new_key() -> str:
    return os.urandom(16).hex()


queues = Queues()
