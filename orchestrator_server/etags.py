"""Entity tags (RFC 9110, 8.8.3): which state of a thing somebody has seen. Pure.

A tag has two halves, "<what people edit>-<all of it>". A robot that beats changes the second
half every few seconds; a PUT with `If-Match` is only refused when the first half has changed.
"""

import hashlib
import re
from typing import Any

import msgspec

from orchestrator_server.errors import PreconditionFailed

# What changes by itself, without anybody's edit.
_MOVING = {
    "agent_version",
    "attempt",
    "current_job_id",
    "info",
    "last_heartbeat",
    "last_seen_at",
    "machine_info",
    "progress",
    "robot_count",
    "status",
}
_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"', re.ASCII)


class Expected(msgspec.Struct, frozen=True):
    """What a request says in `If-Match`: the tags it would accept, or None for any state."""

    tags: frozenset[str] | None = None

    def must_fit(self, resource: Any) -> None:
        """Raise PreconditionFailed if `resource` has been edited since it was seen."""
        if self.tags is None:
            return
        edited = _halves(resource)[0]
        if edited not in {tag.partition("-")[0] for tag in self.tags}:
            raise PreconditionFailed(
                "It was changed since you read it; read it again, and decide anew."
            )


def of(resource: Any) -> str:
    """The tag of a Struct, as it stands in the header `ETag`, quotes included."""
    edited, whole = _halves(resource)
    return f'"{edited}-{whole}"'


def expected(header: str | None) -> Expected:
    """What `If-Match` asks for; without the header, or with `*`, any state will do."""
    if header is None or header.strip() == "*":
        return Expected()
    return Expected(frozenset(_TAG.findall(header)))


def is_known(header: str | None, tag: str) -> bool:
    """Whether `If-None-Match` names this tag: the caller has this very state already."""
    return header is not None and tag.strip('"') in _TAG.findall(header)


def _halves(resource: Any) -> tuple[str, str]:
    fields = msgspec.to_builtins(resource)
    edited = {name: value for name, value in fields.items() if name not in _MOVING}
    return _digest(edited), _digest(fields)


def _digest(fields: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()[:16]
