"""The verbs with which people change a robot: its name, its credential, its rest, its token."""

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from orchestrator_server import names
from orchestrator_server.access import secrets
from orchestrator_server.access.callers import Actor
from orchestrator_server.assets import service as assets
from orchestrator_server.audit import service as audit
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict
from orchestrator_server.etags import Expected
from orchestrator_server.machines import service as machines
from orchestrator_server.robots import labeling, service
from orchestrator_server.robots.service import sql
from orchestrator_server.sealing import Sealer
from sdk.contract.assets import AssetCreate, AssetUpdate
from sdk.contract.robots import (
    Robot,
    RobotCreate,
    RobotCreated,
    RobotLogin,
    RobotPause,
    RobotToken,
    RobotUpdate,
)


def create(
    tx: Transaction, actor: Actor, sealer: Sealer, wanted: RobotCreate, online_since: datetime
) -> RobotCreated:
    """The robot and its token; its credential becomes an asset that only its jobs can read, once
    it is granted to their process."""
    created = service.create(tx, actor, wanted, online_since)
    if wanted.credential is None:
        return created
    robot = service.get(tx, created.id, online_since)
    asset_id = _keep_login(tx, actor, sealer, robot, wanted.credential)
    _save(tx, robot, credential_asset_id=asset_id)
    return msgspec.structs.replace(created, credential_asset_id=asset_id)


def update(
    tx: Transaction,
    actor: Actor,
    sealer: Sealer,
    robot_id: int,
    wanted: RobotUpdate,
    expected: Expected,
    online_since: datetime,
) -> Robot:
    service.hold(tx, robot_id)
    before = service.get(tx, robot_id, online_since)
    expected.must_fit(before)
    if wanted.machine_id is not UNSET and wanted.machine_id != before.machine_id:
        _must_be_idle(before)
        if wanted.machine_id is not None:
            machines.hold(tx, wanted.machine_id)  # and with it the labels that it allows
            machines.get(tx, wanted.machine_id, online_since)
        # Its agent on the new machine requests labels of its own; the old one has none there.
        tx.run(sql.request_labels, id=robot_id, requested_labels=Json([]))
    asset_id = before.credential_asset_id
    if wanted.credential is not UNSET:
        asset_id = _replace_login(tx, actor, sealer, before, wanted.credential)
    _save(
        tx,
        before,
        name=before.name if wanted.name is UNSET else _free_name(tx, before, wanted.name),
        machine_id=before.machine_id if wanted.machine_id is UNSET else wanted.machine_id,
        credential_asset_id=asset_id,
        assigned_labels=wanted.labels,
    )
    labeling.relabel(tx, robot_id)
    robot = service.get(tx, robot_id, online_since)
    audit.record(tx, actor, "robot.updated", before=before, after=robot, name=robot.name)
    return robot


def pause(
    tx: Transaction, actor: Actor, robot_id: int, wanted: RobotPause, online_since: datetime
) -> Robot:
    """It finishes what it is doing and is given nothing new, until it is resumed."""
    return _rest(tx, actor, robot_id, True, wanted.comment, online_since)


def resume(tx: Transaction, actor: Actor, robot_id: int, online_since: datetime) -> Robot:
    return _rest(tx, actor, robot_id, False, None, online_since)


def renew_token(tx: Transaction, actor: Actor, robot_id: int, online_since: datetime) -> RobotToken:
    """A new token; the one before dies when the new one is first used."""
    robot = service.get(tx, robot_id, online_since)
    token = secrets.new("rbt")
    tx.run(sql.renew_token, id=robot_id, token_hash=token.hash, token_hint=token.hint)
    audit.record(
        tx,
        actor,
        "robot.token_renewed",
        entity_id=robot_id,
        name=robot.name,
        metadata={"after": token.hint},
    )
    return RobotToken(api_token=token.text)


def delete(tx: Transaction, actor: Actor, robot_id: int, online_since: datetime) -> None:
    """The robot goes, and its token and its credential with it."""
    service.hold(tx, robot_id)
    robot = service.get(tx, robot_id, online_since)
    service.delete(tx, actor, robot_id, online_since)
    if robot.credential_asset_id is not None:
        assets.discard(tx, actor, robot.credential_asset_id)


def _rest(
    tx: Transaction,
    actor: Actor,
    robot_id: int,
    paused: bool,
    comment: str | None,
    online_since: datetime,
) -> Robot:
    before = service.get(tx, robot_id, online_since)
    tx.run(sql.pause, id=robot_id, paused=paused, comment=comment)
    robot = service.get(tx, robot_id, online_since)
    action = "robot.paused" if paused else "robot.resumed"
    audit.record(tx, actor, action, before=before, after=robot, name=robot.name)
    return robot


def _save(
    tx: Transaction,
    robot: Robot,
    *,
    assigned_labels: list[str] | UnsetType = UNSET,
    **changes: object,
) -> None:
    """Labels that an operator assigns take the place of those from before there was a difference
    between assigned and requested ones."""
    changed = msgspec.structs.replace(robot, **changes)
    if assigned_labels is not UNSET:
        tx.run(sql.assign_labels, id=robot.id, assigned_labels=Json(assigned_labels))
    tx.run(
        sql.update,
        id=robot.id,
        name=changed.name,
        name_key=names.key(changed.name),
        machine_id=changed.machine_id,
        credential_asset_id=changed.credential_asset_id,
    )


def _replace_login(
    tx: Transaction, actor: Actor, sealer: Sealer, robot: Robot, login: RobotLogin | None
) -> int | None:
    """Its asset stays the same, and so does who may read it."""
    asset_id = robot.credential_asset_id
    if login is not None and asset_id is not None:
        changed = AssetUpdate(value=login.password, username=login.username)
        return assets.update(tx, actor, sealer, asset_id, changed, Expected()).id
    if asset_id is not None:
        assets.discard(tx, actor, asset_id)
    return None if login is None else _keep_login(tx, actor, sealer, robot, login)


def _keep_login(
    tx: Transaction, actor: Actor, sealer: Sealer, robot: Robot, login: RobotLogin
) -> int:
    credential = AssetCreate(
        name=f"robot {robot.id} credential",
        type="credential",
        value=login.password,
        username=login.username,
        description=f"The account of robot {robot.name}, for its jobs alone.",
    )
    return assets.create(tx, actor, sealer, credential, robot_id=robot.id).id


def _free_name(tx: Transaction, robot: Robot, wanted: str) -> str:
    name = names.clean_plain(wanted, what="robot")
    if names.key(name) != names.key(robot.name) and service.is_named(tx, name):
        raise AlreadyExists(f"There is a robot {name} already.")
    return name


def _must_be_idle(robot: Robot) -> None:
    if robot.current_job_id is not None:
        raise Conflict(
            f"Robot {robot.name} is running job {robot.current_job_id}; "
            "it can move to another machine when that has ended."
        )
