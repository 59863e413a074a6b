"""The header `Idempotency-Key`, for the writes that honour it."""

import re

import msgspec
from aiohttp import web

from orchestrator_server.access.callers import Caller, Person, RobotCaller
from orchestrator_server.errors import Malformed
from orchestrator_server.repeats.service import Repeatable, repeatable

_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def of(request: web.Request, caller: Caller, asks: msgspec.Struct | None) -> Repeatable | None:
    """The request as one that may be repeated, or None if it has no key."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise Malformed("An Idempotency-Key is 1 to 255 visible ASCII characters, sent once.")
    return repeatable(_name_of(caller), given[0], request.path, asks)


def _name_of(caller: Caller) -> str:
    if isinstance(caller, Person):
        return f"user {caller.id}"
    return f"robot {caller.id}" if isinstance(caller, RobotCaller) else f"job {caller.id}"
