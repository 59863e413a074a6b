"""The verbs of a robot: be created, be known by its token, beat."""

from datetime import datetime
from typing import Any

import msgspec

from orchestrator_server import names
from orchestrator_server.access import secrets
from orchestrator_server.access.callers import Actor, RobotCaller
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, Unauthenticated
from orchestrator_server.machines import service as machines
from orchestrator_server.robots import labeling
from sdk.contract.audit import ActorType
from sdk.contract.base import Page
from sdk.contract.robots import Robot, RobotCreate, RobotCreated, RobotQuery, RobotStatus

sql = queries.load(__package__)

_BAD_TOKEN = "This robot token is not valid; register the robot again."  # noqa: S105


class _Id(msgspec.Struct, frozen=True):
    id: int


class Named(msgspec.Struct, frozen=True):
    id: int
    name: str
    machine_id: int | None


class Held(msgspec.Struct, frozen=True):
    """What decides whether a robot may have a job."""

    labels: list[str]
    is_paused: bool


class _ByToken(Named, frozen=True):
    is_current: bool
    has_previous: bool


def create(
    tx: Transaction, actor: Actor, wanted: RobotCreate, online_since: datetime
) -> RobotCreated:
    name = names.clean_plain(wanted.name, what="robot")
    if tx.maybe(sql.by_name, Named, name_key=names.key(name)):
        raise AlreadyExists(f"There is a robot {name} already.")
    if wanted.machine_id is not None:
        machines.get(tx, wanted.machine_id, online_since)
    token = secrets.new("rbt")
    robot_id = insert(tx, name, wanted.machine_id, token, assigned=wanted.labels)
    robot = get(tx, robot_id, online_since)
    audit.record(tx, actor, "robot.created", after=robot, name=name)
    return RobotCreated(**msgspec.structs.asdict(robot), api_token=token.text)


def by_token(tx: Transaction, token: str, origin: Actor) -> tuple[RobotCaller, bool]:
    """The robot a token belongs to, and whether its token before must now be forgotten."""
    if not secrets.is_well_formed(token, "rbt"):
        raise Unauthenticated(_BAD_TOKEN)
    found = tx.maybe(sql.by_token, _ByToken, token_hash=secrets.hash_of(token))
    if found is None:
        raise Unauthenticated(_BAD_TOKEN)
    actor = msgspec.structs.replace(origin, type=ActorType.ROBOT, name=found.name)
    caller = RobotCaller(id=found.id, name=found.name, machine_id=found.machine_id, actor=actor)
    return caller, found.is_current and found.has_previous


def forget_previous_token(tx: Transaction, robot_id: int) -> None:
    tx.run(sql.forget_previous_token, id=robot_id)


def is_named(tx: Transaction, name: str) -> bool:
    return tx.maybe(sql.by_name, Named, name_key=names.key(name)) is not None


def hold(tx: Transaction, robot_id: int) -> Held:
    """Let requests of one robot come one after the other, until this unit ends."""
    return tx.one(sql.hold, Held, missing=f"There is no robot {robot_id}.", id=robot_id)


def hold_caller(tx: Transaction, robot: RobotCaller) -> Held:
    """The same for the robot that asks; Unauthenticated if it was deleted this moment."""
    held = tx.maybe(sql.hold, Held, id=robot.id)
    if held is None:
        raise Unauthenticated(_BAD_TOKEN)
    return held


def get(tx: Transaction, robot_id: int, online_since: datetime) -> Robot:
    missing = f"There is no robot {robot_id}."
    return tx.one(sql.list, Robot, missing=missing, id=robot_id, online_since=online_since, limit=1)


def list_robots(tx: Transaction, wanted: RobotQuery, online_since: datetime) -> Page[Robot]:
    return tx.page(
        sql.list,
        Robot,
        wanted,
        pattern=names.pattern(wanted.search),
        online_since=online_since,
        online_after=online_since if wanted.status is RobotStatus.ONLINE else None,
        offline_after=online_since if wanted.status is RobotStatus.OFFLINE else None,
    )


def delete(tx: Transaction, actor: Actor, robot_id: int, online_since: datetime) -> None:
    robot = get(tx, robot_id, online_since)
    if robot.current_job_id is not None:
        raise Conflict(
            f"Robot {robot.name} is running job {robot.current_job_id}; cancel the job first."
        )
    tx.run(sql.delete, id=robot_id)
    audit.record(tx, actor, "robot.deleted", before=robot, name=robot.name)


def vouch(tx: Transaction, actor: Actor, robot_id: int, online_since: datetime) -> Robot:
    """An operator says that the robot is there; that renews no lease."""
    before = get(tx, robot_id, online_since)
    tx.run(sql.beat, id=robot_id)
    robot = get(tx, robot_id, online_since)
    audit.record(tx, actor, "robot.vouched_for", before=before, after=robot, name=robot.name)
    return robot


def tell(tx: Transaction, robot: RobotCaller, info: dict[str, Any]) -> bool:
    """What the robot says of its machine, and of its desktop; whether its labels are others now."""
    hold(tx, robot.id)
    tx.run(sql.tell_of_machine, id=robot.id, machine_info=Json(info))
    if robot.machine_id is not None:
        machines.seen(tx, robot.machine_id, info)
    return labeling.relabel(tx, robot.id)


def heard(tx: Transaction, robot_ids: list[int], at: datetime) -> None:
    tx.run(sql.heard, ids=Json(robot_ids), at=at)


def insert(
    tx: Transaction,
    name: str,
    machine_id: int | None,
    token: secrets.Secret,
    info: dict[str, Any] | None = None,
    agent_version: str | None = None,
    requested: list[str] | None = None,
    assigned: list[str] | None = None,
) -> int:
    inserted = tx.one(
        sql.insert,
        _Id,
        missing="The robot was not stored.",
        name=name,
        name_key=names.key(name),
        machine_id=machine_id,
        token_hash=token.hash,
        token_hint=token.hint,
        machine_info=Json(info or {}),
        agent_version=agent_version,
        assigned_labels=Json(assigned or []),
        requested_labels=Json(requested or []),
    )
    labeling.relabel(tx, inserted.id)
    return inserted.id
