"""The labels of a robot are worked out again whenever something changes that decides them."""

from typing import Any

import msgspec

from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.robots import labels

sql = queries.load(__package__)


class _Sources(msgspec.Struct, frozen=True):
    labels: list[str]
    refused_labels: list[str]
    assigned_labels: list[str]
    requested_labels: list[str]
    machine_info: dict[str, Any]
    allowed_labels: list[str] | None


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Inherited(msgspec.Struct, frozen=True):
    name: str
    assigned_labels: list[str]
    allowed_labels: list[str] | None


def relabel(tx: Transaction, robot_id: int) -> bool:
    """Whether the robot has other labels now."""
    missing = f"There is no robot {robot_id}."
    found = tx.one(sql.label_sources, _Sources, missing=missing, id=robot_id)
    allowed = found.allowed_labels or []
    now = labels.effective(
        found.assigned_labels, found.requested_labels, allowed, found.machine_info
    )
    refused = labels.refused(found.requested_labels, now)
    if (now, refused) != (found.labels, found.refused_labels):
        tx.run(sql.label, id=robot_id, labels=Json(now), refused_labels=Json(refused))
    return now != found.labels


def relabel_machine(tx: Transaction, machine_id: int) -> list[int]:
    """The robots of the machine that have other labels now."""
    robots = tx.all(sql.of_machine, _Id, machine_id=machine_id)
    return [robot.id for robot in robots if relabel(tx, robot.id)]


def inherited(tx: Transaction, limit: int) -> list[str]:
    """Labels from before machines had allowed ones, which their machines do not allow."""
    found = []
    for robot in tx.all(sql.with_inherited_labels, _Inherited, limit=limit):
        known = {labels.DESKTOP, *(robot.allowed_labels or [])}
        if more := [label for label in robot.assigned_labels if label not in known]:
            found.append(f"robot {robot.name}: {', '.join(more)}")
    return found
