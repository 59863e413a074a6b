"""Requests that may be sent again: the same `Idempotency-Key` gets the first answer again.

What was answered is kept in the transaction that did the deed, so that whoever did not hear
the answer, and asks again, can neither do it twice nor be told something else.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Invalid

sql = queries.load(__package__)

P = ParamSpec("P")
R = TypeVar("R", bound=msgspec.Struct)

KEPT = timedelta(hours=24)


class Repeatable(msgspec.Struct, frozen=True):
    """A request with a key: who sent it, and a digest of what it asks for."""

    caller: str
    key_hash: str
    request_hash: str


class _Known(msgspec.Struct, frozen=True):
    request_hash: str
    answer: Any


def repeatable(caller: str, key: str, path: str, asks: msgspec.Struct | None) -> Repeatable:
    request = path.encode() + b"\0" + msgspec.json.encode(asks)
    return Repeatable(caller, _digest(key.encode()), _digest(request))


def once(
    tx: Transaction,
    request: Repeatable | None,
    answer_type: type[R],
    unit: Callable[Concatenate[Transaction, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """What `unit` answers, or what it answered when `request` was first made.

    Raises Invalid if the key was used for another request.
    """
    if request is None:
        return unit(tx, *args, **kwargs)
    key = {"caller": request.caller, "key_hash": request.key_hash}
    asked = {"request_hash": request.request_hash, "since": _since(tx.now)}
    if tx.maybe(sql.take, _Known, **key, **asked):
        answer = unit(tx, *args, **kwargs)
        tx.run(sql.remember, **key, answer=Json(answer))
        return answer
    known = tx.one(sql.known, _Known, missing="Try again.", **key)
    _must_be_the_same(known, request)
    return msgspec.convert(known.answer, answer_type)


def check(tx: Transaction, request: Repeatable) -> None:
    """Raise Invalid already now, before anything is done, if the key is another request's."""
    known = tx.maybe(sql.known, _Known, caller=request.caller, key_hash=request.key_hash)
    if known is not None:
        _must_be_the_same(known, request)


def _must_be_the_same(known: _Known, request: Repeatable) -> None:
    if known.request_hash != request.request_hash:
        raise Invalid(
            "This Idempotency-Key was used for another request; use a new key for a new one.",
            kind="idempotency-key-reused",
        )


def forget_old(tx: Transaction) -> None:
    tx.run(sql.forget_before, since=_since(tx.now))


def _since(now: datetime) -> datetime:
    return now - KEPT


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
