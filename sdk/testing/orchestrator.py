"""An orchestrator in memory: it answers what a running job may ask, over real HTTP.

Scripts speak to it as they speak to a real one, so nothing of a script is replaced in its test,
and it reads what they send by the same contract. `sdk run` uses it too.
"""

import itertools
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from sdk.contract.queues import ErrorType, ItemClaim, ItemComplete, ItemContent, ItemFail, ItemRenew
from sdk.contract.runner import OutcomeKeep
from sdk.testing.server import Answer, serve

NAME_CHARACTERS = 255
OUTCOME_BYTES = 64 * 1024
ITEM_BYTES = 1024 * 1024
TOKEN = "rw_job_0_1_in-memory"  # noqa: S105 -- opens nothing but what is in memory


@dataclass(frozen=True)
class Credential:
    username: str
    password: str


@dataclass
class Item:
    id: int
    queue: str
    payload: dict[str, Any]
    reference: str | None = None
    priority: int = 0
    defer_until: datetime | None = None
    deadline: datetime | None = None
    status: str = "new"
    result: Any = None
    error_type: str | None = None
    error_message: str | None = None
    attempt: int = 0
    retries: int = 0
    claim_key: str | None = None

    @property
    def can_be_taken(self) -> bool:
        is_due = self.defer_until is None or _is_past(self.defer_until)
        is_late = self.deadline is not None and _is_past(self.deadline)
        return self.status == "new" and is_due and not is_late


@dataclass
class Orchestrator:
    """What it knows can be set before a script runs, and looked at afterwards."""

    assets: dict[str, Any] = field(default_factory=dict)  # values, and Credentials
    outcomes: dict[str, Any] = field(default_factory=dict)  # of `once`
    artifacts: dict[str, bytes] = field(default_factory=dict)  # what `job.artifact` left
    retries: int = 0  # how often an item is tried again, of every queue

    def __post_init__(self) -> None:
        self._queues: dict[str, list[Item]] = {}
        self._numbers = itertools.count(1)
        self._keys: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self.url = ""

    def __enter__(self) -> "Orchestrator":
        self.url, self._stop = serve(self._answer, TOKEN)
        return self

    def __exit__(self, *_: object) -> None:
        if self._stop is not None:
            self._stop()

    @property
    def environment(self) -> dict[str, str]:
        """What lets a script find it."""
        return {"RUNWRIGHT_URL": self.url, "RUNWRIGHT_JOB_TOKEN": TOKEN}

    def add_queue(self, name: str) -> None:
        self._queues.setdefault(name.casefold(), [])

    def add_item(
        self, queue: str, payload: dict[str, Any], reference: str | None = None, **more: Any
    ) -> Item:
        """`more` is priority, defer_until and deadline, as `Item` has them."""
        self.add_queue(queue)
        item = Item(next(self._numbers), queue.casefold(), payload, reference, **more)
        self._queues[queue.casefold()].append(item)
        return item

    def items(self, queue: str) -> list[Item]:
        """In the order in which they were put in."""
        return self._queues[queue.casefold()]

    def _answer(self, method: str, path: list[str], body: Any, key: str | None) -> Answer:
        if not all(0 < len(part) <= NAME_CHARACTERS for part in path):
            return _NOTHING
        with self._lock:
            match path:
                case ["runtime", what, *rest]:
                    return self._runtime(method, what, rest, body, key)
                case ["queue-items", "claim"]:
                    claim = msgspec.convert(body, ItemClaim)
                    return self._claim(claim.queue.casefold(), claim.claim_key)
                case ["queue-items", number, ("complete" | "fail" | "renew") as what]:
                    return self._end(int(number), msgspec.convert(body, _ENDINGS[what]))
        return _NOTHING

    def _runtime(
        self, method: str, what: str, rest: list[str], body: Any, key: str | None
    ) -> Answer:
        match method, what, rest:
            case "GET", "job", []:
                return Answer({"id": 0, "attempt": 1, "status": "running"})
            case "GET", "assets", [name]:
                return self._asset(name)
            case "GET", "outcomes", [name]:
                return self._outcome(name)
            case "PUT", "outcomes", [name]:
                return self._keep(name, msgspec.convert(body, OutcomeKeep))
            case "PUT", "artifacts", [name]:
                return self._leave(name, body)
            case "POST", "queues", [name, "items"]:
                return self._add(name, msgspec.convert(body, ItemContent), key)
        return _NOTHING

    def _asset(self, name: str) -> Answer:
        known = {spelling.casefold(): value for spelling, value in self.assets.items()}
        if name.casefold() not in known:
            return Answer.problem(404, f"There is no asset {name}.")
        value = known[name.casefold()]
        if isinstance(value, Credential):
            type_, username, value = "credential", value.username, value.password
        else:
            type_, username = _TYPES.get(type(value), "json"), None
        return Answer({"name": name, "type": type_, "value": value, "username": username})

    def _outcome(self, name: str) -> Answer:
        return Answer({"known": name in self.outcomes, "value": self.outcomes.get(name)})

    def _keep(self, name: str, wanted: OutcomeKeep) -> Answer:
        if len(json.dumps(wanted.value).encode()) > OUTCOME_BYTES:
            return Answer.problem(413, f"An outcome has at most {OUTCOME_BYTES // 1024} KiB.")
        self.outcomes.setdefault(name, wanted.value)
        return self._outcome(name)

    def _leave(self, name: str, content: bytes) -> Answer:
        if "/" in name or "\\" in name or name.startswith(".") or name.endswith("."):
            return Answer.problem(
                422, "The name of an artifact cannot contain slashes, or begin or end with a dot."
            )
        self.artifacts[name] = content
        return Answer({"name": name, "size_bytes": len(content)})

    def _add(self, name: str, wanted: ItemContent, key: str | None) -> Answer:
        if name.casefold() not in self._queues:
            return Answer.problem(404, f"There is no queue {name}.")
        if key is not None and key in self._keys:
            return Answer({"id": self._keys[key]}, 201)
        if len(json.dumps(wanted.payload).encode()) > ITEM_BYTES:
            return Answer.problem(413, f"A payload has at most {ITEM_BYTES // 1024} KiB.")
        item = self.add_item(name, **msgspec.structs.asdict(wanted))
        self._keys[key or secrets.token_hex(8)] = item.id
        return Answer({"id": item.id}, 201)

    def _claim(self, name: str, key: str | None) -> Answer:
        if name not in self._queues:
            return Answer.problem(404, f"There is no queue {name}.")
        held = [i for i in self._queues[name] if i.claim_key == key and i.status == "in_progress"]
        waiting = [item for item in self._queues[name] if item.can_be_taken]
        waiting.sort(key=lambda item: -item.priority)  # and within a priority as they came
        for item in held[:1] or waiting[:1]:
            if item.status == "new":
                item.status, item.claim_key, item.attempt = "in_progress", key, item.attempt + 1
            told = {
                "id": item.id,
                "payload": item.payload,
                "reference": item.reference,
                "retries": item.retries,
                "attempt": item.attempt,
            }
            return Answer({"item": told, "lease_seconds": 60.0})
        return Answer({"item": None})

    def _end(self, number: int, said: ItemComplete | ItemFail | ItemRenew) -> Answer:
        everything = itertools.chain.from_iterable(self._queues.values())
        item = next((item for item in everything if item.id == number), None)
        if item is None:
            return Answer.problem(404, f"There is no queue item {number}.")
        if item.status != "in_progress" or item.attempt != said.attempt:
            return Answer.problem(409, f"Item {number} is {item.status}, and not yours.")
        if isinstance(said, ItemComplete):
            item.status, item.result = "completed", said.result
        elif isinstance(said, ItemFail):
            item.error_type, item.error_message = str(said.error_type), said.error_message
            again = said.error_type is ErrorType.APPLICATION and item.retries < self.retries
            item.status = "new" if again else "failed"
            item.retries += again
        return Answer({"id": item.id, "status": item.status})


def _is_past(time: datetime) -> bool:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)) <= datetime.now(UTC)


_NOTHING = Answer.problem(404, "There is nothing at that address in memory.")
_ENDINGS = {"complete": ItemComplete, "fail": ItemFail, "renew": ItemRenew}
_TYPES: dict[type, str] = {str: "text", bool: "boolean", int: "int"}
