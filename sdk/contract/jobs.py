"""Jobs on the wire: one run of a process."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from sdk.contract.base import (
    Id,
    Labels,
    ListQuery,
    Name,
    Query,
    Request,
    Resource,
    Search,
)
from sdk.contract.processes import Attempts, Priority, Seconds


class JobStatus(StrEnum):
    PENDING = "pending"  # waiting for a robot
    RUNNING = "running"  # claimed by exactly one robot
    COMPLETED = "completed"  # the script succeeded
    FAILED = "failed"  # the script, or its robot, failed
    CANCELED = "canceled"  # a person said stop


class Reason(StrEnum):
    """Why a job ended otherwise than well."""

    SCRIPT_FAILED = "script_failed"
    SCRIPT_TIMEOUT = "script_timeout"
    START_FAILED = "start_failed"
    ENVIRONMENT_FAILED = "environment_failed"
    PACKAGE_MISSING = "package_missing"
    PACKAGE_CORRUPT = "package_corrupt"
    PARAMETERS_INVALID = "parameters_invalid"
    AGENT_RESTARTED = "agent_restarted"
    ROBOT_LOST = "robot_lost"
    EXPIRED = "expired"
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    CANCELED_BY_USER = "canceled_by_user"
    OPERATOR = "operator"


class Source(StrEnum):
    MANUAL = "manual"
    SDK = "sdk"
    TRIGGER = "trigger"
    API = "api"


class Progress(Resource, frozen=True, kw_only=True):
    fraction: Annotated[float, Meta(ge=0, le=1)]
    message: Annotated[str, Meta(max_length=200)] = ""


class JobCreate(Request, frozen=True, kw_only=True):
    process_id: Id | None = None
    process: Name | None = None  # by name, instead of process_id
    parameters: dict[str, Any] | str = {}  # or the text of a JSON object
    robot_id: Id | None = None
    machine_id: Id | None = None
    labels: Labels | None = None  # that a robot must have beside those of the process
    priority: Priority | None = None
    max_attempts: Attempts | None = None
    timeout_seconds: Seconds | None = None
    not_before: datetime | None = None
    start_by: datetime | None = None  # no attempt begins at this time or later


class JobUpdate(Request, frozen=True, kw_only=True):
    """A waiting job can be moved; what has not ended can be failed or canceled by hand."""

    robot_id: Id | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    status: Literal["failed", "canceled"] | UnsetType = UNSET
    result: Any = None  # with `failed`
    error_message: Annotated[str, Meta(max_length=16384)] | None = None  # with `failed`


class JobQuery(ListQuery, frozen=True, kw_only=True):
    status: JobStatus | None = None
    process_id: Id | None = None
    robot_id: Id | None = None
    search: Search | None = None  # in the name of the process
    source: Source | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class Artifact(Resource, frozen=True, kw_only=True):
    """A file that a job left for people."""

    id: int
    job_id: int
    attempt: int
    name: str
    sha256: str
    size_bytes: int
    created_at: datetime


class LogQuery(Query, frozen=True, kw_only=True):
    offset: Annotated[int, Meta(ge=0, le=2**62)] = 0
    attempt: Annotated[int, Meta(ge=1, le=2**31)] | None = None  # the latest, if not given


class Job(Resource, frozen=True, kw_only=True):
    id: int
    process_id: int
    process_name: str
    process_version: int
    package_id: int
    package_name: str
    package_version: str
    robot_id: int | None = None
    robot_name: str | None = None
    status: JobStatus
    reason: Reason | None = None
    parameters: dict[str, Any] = {}
    result: Any = None
    error_message: str | None = None
    logs_path: str
    source: Source
    priority: int
    attempt: int  # 0 until it is first claimed
    max_attempts: int
    timeout_seconds: int | None = None
    labels: list[str] = []
    stop_requested_at: datetime | None = None
    progress: Progress | None = None
    created_by: str | None = None
    not_before: datetime | None = None
    start_by: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


class JobAttempt(Resource, frozen=True, kw_only=True):
    """One grant of a job to one robot."""

    attempt: int
    robot_id: int
    robot_name: str
    status: str  # running, completed, failed, canceled, or lost
    reason: Reason | None = None
    started: str | None = None  # whether the script was: no, yes or unknown
    result: Any = None
    error_message: str | None = None
    late_report: dict[str, Any] | None = None  # what came when it no longer counted
    created_at: datetime
    finished_at: datetime | None = None


class JobEvent(Resource, frozen=True, kw_only=True):
    """Something that happened to a job; oldest first in its timeline."""

    at: datetime
    what: str  # created, claimed, requeued, completed, …
    by: str
    attempt: int | None = None
    details: dict[str, Any] = {}


class RobotFit(Resource, frozen=True, kw_only=True):
    robot_id: int
    robot_name: str
    fits: bool
    why: str


class JobExplanation(Resource, frozen=True, kw_only=True):
    """Why a job is where it is."""

    id: int
    status: JobStatus
    summary: str
    limits: list[str] = []  # what holds it back, whichever robot asks
    robots: list[RobotFit] = []
