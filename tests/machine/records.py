"""The rows that the model keeps: each is a table's columns, as far as the promises reach."""

from datetime import datetime
from typing import Any

import msgspec

# What a report says, however little of it was sent.
REPORT = dict.fromkeys(
    ("status", "attempt", "result", "error_message", "reason", "started", "error_type", "logs")
)


class Job(msgspec.Struct, kw_only=True):
    id: int
    process_id: int
    wanted_robot_id: int | None = None
    wanted_machine_id: int | None = None
    labels: list[str] = []
    priority: int = 0
    max_attempts: int = 1
    not_before: datetime | None = None
    start_by: datetime | None = None
    status: str = "pending"
    attempt: int = 0
    robot_id: int | None = None
    lease_until: datetime | None = None
    stop_requested_at: datetime | None = None
    progress: dict[str, Any] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    result: Any = None
    error_message: str | None = None


class Attempt(msgspec.Struct, kw_only=True):
    job_id: int
    attempt: int
    robot_id: int
    claim_key: str | None = None
    agent_instance: str | None = None
    status: str = "running"
    reason: str | None = None
    started: str | None = None
    result: Any = None
    error_message: str | None = None
    late_report: dict[str, Any] | None = None
    created_at: datetime
    finished_at: datetime | None = None


class Robot(msgspec.Struct, kw_only=True):
    id: int
    is_paused: bool = False
    last_heartbeat: datetime | None = None


class Item(msgspec.Struct, kw_only=True):
    """Without its lease: of what a job holds that is the job's, and stored nowhere else."""

    id: int
    queue_id: int
    priority: int = 0
    deadline: datetime | None = None
    status: str = "new"
    attempt: int = 0
    retries: int = 0
    locked_by_robot_id: int | None = None
    job_id: int | None = None
    result: Any = None
    error_type: str | None = None
    error_message: str | None = None


class ItemAttempt(msgspec.Struct, kw_only=True):
    item_id: int
    attempt: int
    robot_id: int | None = None
    job_id: int | None = None
    status: str = "in_progress"
    error_type: str | None = None
    error_message: str | None = None


class Event(msgspec.Struct, kw_only=True):
    """One line of the audit trail."""

    entity_type: str
    entity_id: int
    action: str
    actor_type: str
    metadata: dict[str, Any]  # of which the model knows the attempt

    @property
    def told(self) -> tuple[str, str, int | None]:
        return self.action, self.actor_type, self.metadata.get("attempt")


class Rows(msgspec.Struct, kw_only=True):
    """All that is stored, each table by its key; of the trail, what happened to each thing."""

    jobs: dict[Any, Job]
    attempts: dict[Any, Attempt]
    robots: dict[Any, Robot]
    items: dict[Any, Item]
    item_attempts: dict[Any, ItemAttempt]
    events: dict[Any, list[tuple[str, str, int | None]]]

    def differences(self, others: "Rows") -> list[str]:
        """What is here otherwise than there; nothing, if nothing is."""
        return [
            f"{table} {key}: {mine.get(key)} is not {theirs.get(key)}"
            for table in self.__struct_fields__
            for mine, theirs in [(getattr(self, table), getattr(others, table))]
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key)
        ]
