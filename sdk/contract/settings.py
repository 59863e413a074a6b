"""What an operator may set."""

from typing import Annotated

from msgspec import Meta

from sdk.contract.base import Resource


class JobSettings(Resource, frozen=True, kw_only=True):
    """How jobs are looked after. Durations in seconds, sizes in bytes."""

    lease_seconds: Annotated[int, Meta(ge=1, le=3600)] = 60
    heartbeat_seconds: Annotated[int, Meta(ge=1, le=600)] = 10
    robot_offline_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 60
    cancel_grace_seconds: Annotated[int, Meta(ge=0, le=600)] = 10
    log_limit_bytes: Annotated[int, Meta(ge=1024, le=2**40)] = 16 * 1024 * 1024
