"""What robots and the server tell each other."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

from sdk.contract.base import Id, Labels, Name, Query, Request, Resource, Text, whole
from sdk.contract.jobs import JobStatus, Progress, Reason
from sdk.contract.processes import Start

ClaimKey = Annotated[str, Meta(pattern=whole("[A-Za-z0-9_-]{1,64}"))]
Instance = Annotated[str, Meta(pattern=whole("[A-Za-z0-9_-]{1,64}"))]
Attempt = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Action = Literal["continue", "stop", "kill", "forget"]


class RobotRegister(Request, frozen=True, kw_only=True):
    name: Name
    machine_key: Annotated[str, Meta(max_length=200)] | None = None
    machine_info: dict[str, Any] | None = None
    machine_signature: Text | None = None
    machine_name: Name | None = None
    agent_version: Annotated[str, Meta(max_length=64)] | None = None
    agent_instance: Instance | None = None
    life: Instance | None = None  # of the agent, from its start to its end
    labels: Labels | None = None


class RobotRegistered(Resource, frozen=True, kw_only=True):
    robot_id: int
    api_token: str
    name: str
    machine_id: int


class JobBeat(Request, frozen=True, kw_only=True):
    id: Id
    attempt: Attempt
    phase: Annotated[str, Meta(max_length=32)] | None = None
    life: Instance | None = None  # of the agent that starts it; the first to say so may
    progress: Progress | None = None
    secrets_known: Count | None = None  # how many secrets of the attempt are covered in it


class Heartbeat(Request, frozen=True, kw_only=True):
    robot_id: Id | None = None
    machine_info: dict[str, Any] | None = None
    jobs: Annotated[list[JobBeat], Meta(max_length=100)] | None = None
    changes_since: datetime | None = None  # the `server_time` of an earlier answer
    supports_may_build: bool = False  # without it, there is nothing to prepare


class JobAction(Resource, frozen=True, kw_only=True, omit_defaults=True):
    id: int
    attempt: int
    action: Action
    stop_requested: bool = False  # a person asks the script to finish early
    secrets_read: int = 0  # if progress was refused: it may show a secret that is not covered


class OrderQuery(Query, frozen=True, kw_only=True):
    attempt: Attempt
    stop_requested: bool = False  # whether the robot knows of that already
    wait_seconds: Annotated[float, Meta(ge=0, le=25)] = 0


class AgentSettings(Resource, frozen=True, kw_only=True):
    heartbeat_seconds: int = 10
    cancel_grace_seconds: int = 10
    log_limit_bytes: int = 16 * 1024 * 1024  # more than that of an attempt is not kept


class AssignedPackage(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    version: str
    sha256: str
    size_bytes: int


class ToPrepare(Resource, frozen=True, kw_only=True):
    """A script that a robot may be given jobs of."""

    package: AssignedPackage
    script_path: str
    may_build: bool = False  # whether code of the package may be run for that


class HeartbeatAnswer(Resource, frozen=True, kw_only=True):
    status: str = "ok"
    jobs: list[JobAction] = []
    lease_seconds: int
    server_time: datetime
    settings: AgentSettings
    prepare: list[ToPrepare] = []  # what has changed since then, if that was asked for


class NextJob(Request, frozen=True, kw_only=True):
    robot_id: Id | None = None
    claim_key: ClaimKey | None = None
    agent_instance: Instance | None = None
    wait_seconds: Annotated[float, Meta(ge=0, le=25)] = 0


class AssignedProcess(Resource, frozen=True, kw_only=True):
    id: int
    name: str
    script_path: str
    package_id: int
    version: int
    start: Start = "cold"
    preload: list[str] = []


class Assignment(Resource, frozen=True, kw_only=True):
    """One attempt of a job, granted to one robot. `(id, attempt)` is the fencing token."""

    id: int
    status: JobStatus
    attempt: int
    claim_key: str | None = None  # the key this attempt was granted to
    parameters: dict[str, Any] = {}
    process: AssignedProcess
    package: AssignedPackage
    timeout_seconds: int | None = None
    lease_seconds: int
    redelivered: bool = False
    job_token: str


class NextJobAnswer(Resource, frozen=True, kw_only=True, omit_defaults=True):
    job: Assignment | None
    key_used: bool = False


class JobReport(Request, frozen=True, kw_only=True):
    status: Literal["completed", "failed"]
    result: Any = None
    error_message: Annotated[str, Meta(max_length=16384)] | None = None
    logs: str | None = None
    attempt: Attempt | None = None
    reason: Reason | None = None
    started: Literal["no", "yes", "unknown"] | None = None
    error_type: Literal["business", "application"] | None = None  # business: never tried again
    claim_key: ClaimKey | None = None  # the one it was granted to, should its number be given anew
    life: Instance | None = None  # of the agent that ran it
    secrets_known: Count | None = None  # how many secrets of the attempt are covered in it
    next_job: NextJob | None = None  # ask for one in the same breath; this is never waited for


class ReportAnswer(Resource, frozen=True, kw_only=True, omit_defaults=True):
    status: str
    already: bool = False
    job: Assignment | None = None  # granted as `next_job` asks, by the rules of a claim


class LogChunk(Query, frozen=True, kw_only=True):
    attempt: Attempt
    offset: Annotated[int, Meta(ge=0, le=2**62)]
    secrets_known: Count | None = None  # how many secrets of the attempt are covered in it


class SecretsQuery(Query, frozen=True, kw_only=True):
    attempt: Attempt


class SecretsRead(Resource, frozen=True, kw_only=True):
    """What an attempt has read, for its robot alone, to cover it in what it sends."""

    count: int
    values: list[str]


class ArtifactBring(Query, frozen=True, kw_only=True):
    attempt: Attempt


class LogAnswer(Resource, frozen=True, kw_only=True, omit_defaults=True):
    next_offset: int
    truncated: bool = False


class OutcomeKeep(Request, frozen=True, kw_only=True):
    value: Any = None


class Outcome(Resource, frozen=True, kw_only=True):
    """What a step of a job came to, if it was done before, and in which attempt."""

    known: bool = False
    value: Any = None
    attempt: int | None = None


class RunningJob(Resource, frozen=True, kw_only=True):
    """What a script may know of its own job, by its job token."""

    id: int
    attempt: int
    process_name: str
    status: JobStatus
