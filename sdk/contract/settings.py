"""What an operator may set, in five groups. Durations and sizes say their unit.

A key is here only if something reads it. A change gives the keys to change; the others stay.
"""

from enum import StrEnum
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from sdk.contract.base import Request, Resource, whole

Days = Annotated[int, Meta(ge=0, le=36_500)]  # 0: for ever


class Tls(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"  # begin in the clear, then change over: usually port 587
    TLS = "tls"  # from the first byte: usually port 465


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class GeneralSettings(Resource, frozen=True, kw_only=True):
    instance_name: Annotated[str, Meta(min_length=1, max_length=100)] = "Runwright"
    public_url: (
        Annotated[str, Meta(pattern=whole(r"https?://[^\s/?#@]+"), max_length=255)] | None
    ) = None
    timezone: Annotated[str, Meta(pattern=whole("[A-Za-z0-9_+/-]{1,64}"))] = "UTC"


class SecuritySettings(Resource, frozen=True, kw_only=True):
    password_min_length: Annotated[int, Meta(ge=8, le=128)] = 12
    max_failed_logins: Annotated[int, Meta(ge=1, le=1000)] = 5
    lockout_minutes: Annotated[int, Meta(ge=1, le=1440)] = 15
    access_token_minutes: Annotated[int, Meta(ge=1, le=1440)] = 480
    sdk_token_minutes: Annotated[int, Meta(ge=1, le=1440)] = 60
    registration_enabled: bool = False
    rotation_overlap_minutes: Annotated[int, Meta(ge=0, le=10_080)] = 60


class JobSettings(Resource, frozen=True, kw_only=True):
    """The lease must outlast the time after which a robot stops its job by itself (50 s)."""

    lease_seconds: Annotated[int, Meta(ge=56, le=3600)] = 60
    heartbeat_seconds: Annotated[int, Meta(ge=1, le=600)] = 10
    robot_offline_seconds: Annotated[int, Meta(ge=5, le=86_400)] = 60
    default_timeout_seconds: Annotated[int, Meta(ge=0, le=2_592_000)] = 0  # 0: no limit
    default_max_attempts: Annotated[int, Meta(ge=1, le=100)] = 1
    cancel_grace_seconds: Annotated[int, Meta(ge=0, le=600)] = 10
    log_limit_bytes: Annotated[int, Meta(ge=1024, le=2**40)] = 16 * 1024 * 1024
    result_limit_bytes: Annotated[int, Meta(ge=1024, le=1_000_000)] = 1_000_000
    retention_days: Days = 0
    item_retention_days: Days = 0  # of queue items that have ended


class EmailSettings(Resource, frozen=True, kw_only=True):
    enabled: bool = False
    host: Annotated[str, Meta(pattern=whole("[A-Za-z0-9.:-]{1,253}"))] | None = None
    port: Annotated[int, Meta(ge=1, le=65_535)] = 587
    username: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    password: Annotated[str, Meta(min_length=1, max_length=1024)] | None = None  # reads "***"
    from_address: (
        Annotated[str, Meta(pattern=whole(r"[^\s@<>]+@[^\s@<>]+"), max_length=254)] | None
    ) = None
    tls: Tls = Tls.STARTTLS


class LoggingSettings(Resource, frozen=True, kw_only=True):
    """`level` and `format` hold where the command line does not say otherwise."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.CONSOLE
    job_log_retention_days: Days = 0
    audit_retention_days: Days = 0


class Settings(Resource, frozen=True, kw_only=True):
    general: GeneralSettings = GeneralSettings()
    security: SecuritySettings = SecuritySettings()
    jobs: JobSettings = JobSettings()
    email: EmailSettings = EmailSettings()
    logging: LoggingSettings = LoggingSettings()


def _change_of(group: type[Resource]) -> type[Request]:
    """A Request with the fields of `group`, each of which may be left out."""
    fields: list[tuple[str, Any, Any]] = [
        (field.name, field.type | msgspec.UnsetType, msgspec.UNSET)
        for field in msgspec.structs.fields(group)
    ]
    made = msgspec.defstruct(
        f"{group.__name__}Change",
        fields,
        bases=(Request,),
        module=__name__,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    return cast("type[Request]", made)


GeneralSettingsChange = _change_of(GeneralSettings)
SecuritySettingsChange = _change_of(SecuritySettings)
JobSettingsChange = _change_of(JobSettings)
EmailSettingsChange = _change_of(EmailSettings)
LoggingSettingsChange = _change_of(LoggingSettings)
