"""How the server says no: RFC 9457 problem details."""

import msgspec

MEDIA_TYPE = "application/problem+json"


class FieldError(msgspec.Struct, frozen=True):
    detail: str
    pointer: str  # RFC 6901 fragment, e.g. "#/process_id"


class Problem(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    errors: list[FieldError] = []
    request_id: str | None = None
    next_offset: int | None = None  # of a log, where a chunk left a gap
