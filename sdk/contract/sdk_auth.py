"""Messages on signing in from a developer's machine (RFC 8628's flow, with RFC 7636's proof)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from sdk.contract.base import Query, Request, Resource, whole

Challenge = Annotated[str, Meta(pattern=whole("[A-Za-z0-9_-]{43}"))]
SessionId = Annotated[str, Meta(min_length=1, max_length=128)]
UserCode = Annotated[str, Meta(min_length=8, max_length=32)]


class SdkScope(StrEnum):
    """What a developer's token may open, of what its person may."""

    DEFAULT = "default"  # read assets and queues, put items into queues
    PUBLISH = "publish"  # upload and download packages, make and upgrade processes
    RUN = "run"  # start, retry and cancel jobs, read them, their logs and artifacts
    MANAGE = "manage"  # queues, assets and their grants, machines, robots; only when named


Scopes = Annotated[list[SdkScope], Meta(max_length=10)]


class SdkStart(Request, frozen=True, kw_only=True):
    """`code_challenge` is the base64url SHA-256 of a verifier that only the machine knows."""

    machine_name: Annotated[str, Meta(min_length=1, max_length=255)]
    code_challenge: Challenge | None = None
    scopes: Scopes = []


class SdkStarted(Resource, frozen=True, kw_only=True):
    """The addresses are whole if the server knows its own, else paths on it."""

    session_id: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_at: datetime
    interval: int


class SdkConfirm(Request, frozen=True, kw_only=True):
    """One of the two names the session; `scopes` may leave out some that were asked for."""

    session_id: SessionId | None = None
    user_code: UserCode | None = None
    scopes: Scopes | None = None


class SdkConfirmed(Resource, frozen=True, kw_only=True):
    status: Literal["ok", "expired"]


class SdkStatusQuery(Query, frozen=True, kw_only=True):
    session_id: SessionId
    wait_seconds: Annotated[float, Meta(ge=0, le=30)] = 0


class SdkUser(Resource, frozen=True, kw_only=True):
    id: int
    username: str


class SdkStatus(Resource, frozen=True, kw_only=True, omit_defaults=True):
    """`confirmed` comes once, and with the token."""

    status: Literal["pending", "confirmed", "expired"]
    access_token: str | None = None
    expires_at: datetime | None = None
    scopes: list[SdkScope] | None = None
    user: SdkUser | None = None


class SdkSession(Resource, frozen=True, kw_only=True):
    """A developer's sign-in that is still good."""

    id: int
    machine_name: str
    username: str
    scopes: list[SdkScope]
    created_at: datetime
    expires_at: datetime
