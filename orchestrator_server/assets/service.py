"""The verbs of an asset. What is secret is sealed, and shown to jobs that may read it alone."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from orchestrator_server import names
from orchestrator_server.access.callers import Actor
from orchestrator_server.assets import values
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import AlreadyExists, Conflict, Invalid
from orchestrator_server.etags import Expected
from orchestrator_server.grants import service as grants
from orchestrator_server.jobs.lifecycle import LOG_STAYS_OPEN
from orchestrator_server.sealing import Place, Sealer
from sdk.contract.assets import Asset, AssetCreate, AssetQuery, AssetType, AssetUpdate
from sdk.contract.base import MASK, Page

sql = queries.load(__package__)


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is: `sealed` holds what is secret, `value` what is not."""

    id: int
    name: str
    type: AssetType
    value: Any = None
    username: str | None = None
    sealed: str | None = None
    description: str | None = None
    robot_id: int | None = None
    any_process: bool = False
    value_version: int = 1  # rises with each new value of a secret
    created_at: datetime
    updated_at: datetime

    def shown(self, process_ids: list[int]) -> Asset:
        """As people see it."""
        fields = msgspec.structs.asdict(self)
        del fields["value_version"]
        if fields.pop("sealed") is not None:
            fields["value"] = MASK
        return Asset(**fields, process_ids=process_ids)


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Name(msgspec.Struct, frozen=True):
    name: str


def create(
    tx: Transaction,
    actor: Actor,
    sealer: Sealer,
    wanted: AssetCreate,
    *,
    robot_id: int | None = None,
) -> Asset:
    type_ = values.canonical(wanted.type)
    values.check(type_, wanted.value, wanted.username)
    values.check_grants(type_, wanted.process_ids, any_process=wanted.any_process)
    name = names.clean(wanted.name, what="asset")
    _must_be_free(tx, name)
    is_secret = type_ in values.SEALED
    created = tx.one(
        sql.insert,
        _Id,
        missing="The asset was not stored.",
        name=name,
        name_key=names.key(name),
        type=type_,
        value=Json(None if is_secret else wanted.value),
        username=wanted.username,
        description=wanted.description,
        robot_id=robot_id,
        any_process=wanted.any_process,
    )
    if is_secret:  # its place is known only now
        tx.run(sql.seal, id=created.id, sealed=sealer.seal(wanted.value, place(created.id)))
        grants.replace(tx, created.id, wanted.process_ids, actor)
    asset = get(tx, created.id)
    audit.record(tx, actor, "asset.created", after=asset, name=name)
    return asset


def get(tx: Transaction, asset_id: int) -> Asset:
    return shown(tx, _stored(tx, asset_id))


def locked(tx: Transaction, asset_id: int) -> Stored:
    """The row, which nothing else changes until this unit ends."""
    return tx.one(sql.lock, Stored, missing=_missing(asset_id), id=asset_id)


def shown(tx: Transaction, stored: Stored) -> Asset:
    """As people see it."""
    return stored.shown(grants.of_assets(tx, [stored.id])[stored.id])


def list_assets(tx: Transaction, wanted: AssetQuery) -> Page[Asset]:
    """Searched by name alone: a search in values would tell secrets apart."""
    page = tx.page(sql.list, Stored, wanted, pattern=names.pattern(wanted.search))
    granted = grants.of_assets(tx, [stored.id for stored in page.items])
    return Page([stored.shown(granted[stored.id]) for stored in page.items], page.more)


def update(
    tx: Transaction,
    actor: Actor,
    sealer: Sealer,
    asset_id: int,
    wanted: AssetUpdate,
    expected: Expected,
) -> Asset:
    stored = locked(tx, asset_id)
    before = shown(tx, stored)
    expected.must_fit(before)
    type_ = stored.type if wanted.type is UNSET else values.canonical(wanted.type)
    name = stored.name if wanted.name is UNSET else _new_name(tx, stored, wanted.name)
    username = stored.username if wanted.username is UNSET else wanted.username
    if type_ is not AssetType.CREDENTIAL and wanted.username is UNSET:
        username = None
    value, sealed = _value(sealer, stored, type_, wanted.value, username)
    any_process = _regrant(tx, actor, before, type_, wanted)
    if sealed != stored.sealed:
        _keep_for_readers(tx, asset_id)
    tx.run(
        sql.update,
        any_process=any_process,
        value_version=stored.value_version + (sealed != stored.sealed),
        id=asset_id,
        name=name,
        name_key=names.key(name),
        type=type_,
        value=Json(value),
        username=username,
        sealed=sealed,
        description=stored.description if wanted.description is UNSET else wanted.description,
    )
    asset = get(tx, asset_id)
    metadata = {"value_changed": wanted.value not in (UNSET, MASK)} if sealed else {}
    audit.record(
        tx, actor, "asset.updated", before=before, after=asset, name=name, metadata=metadata
    )
    return asset


def delete(tx: Transaction, actor: Actor, asset_id: int) -> None:
    asset = get(tx, asset_id)
    used = tx.maybe(sql.used_by_robot, _Name, id=asset_id)
    if used is not None:
        raise Conflict(
            f"Asset {asset.name} is the credential of robot {used.name}; "
            "give the robot another one, or delete the robot."
        )
    discard(tx, actor, asset_id)


def discard(tx: Transaction, actor: Actor, asset_id: int) -> None:
    """Delete it with the robot that it belongs to."""
    asset = get(tx, asset_id)
    _keep_for_readers(tx, asset_id)
    grants.remove(tx, asset_id)
    tx.run(sql.delete, id=asset_id)
    audit.record(tx, actor, "asset.deleted", before=asset, name=asset.name)


def place(asset_id: int) -> Place:
    return Place("assets", asset_id, "value")


def _value(
    sealer: Sealer, stored: Stored, type_: AssetType, wanted: Any, username: str | None
) -> tuple[Any, str | None]:
    """The new `value` and `sealed` of a row. A secret is never turned into something readable."""
    keeps = wanted is UNSET or (wanted == MASK and type_ in values.SEALED)
    if keeps and stored.sealed is not None:
        if type_ not in values.SEALED:
            raise Invalid(
                f"Asset {stored.name} was {names.with_article(stored.type)}; give its new value "
                "with its new type.",
                pointer="#/value",
            )
        values.check(type_, MASK, username)
        return None, stored.sealed
    value = stored.value if keeps else wanted
    values.check(type_, value, username)
    if type_ in values.SEALED:
        return None, sealer.seal(value, place(stored.id))
    return value, None


def _regrant(
    tx: Transaction, actor: Actor, before: Asset, type_: AssetType, wanted: AssetUpdate
) -> bool:
    """Grant it as wanted; return whether all processes may read it. Only a secret has grants."""
    is_secret = type_ in values.SEALED
    process_ids = before.process_ids if is_secret else []
    any_process = before.any_process and is_secret
    if wanted.process_ids is not UNSET:
        process_ids = wanted.process_ids
    if wanted.any_process is not UNSET:
        any_process = wanted.any_process
    values.check_grants(type_, process_ids, any_process=any_process)
    grants.replace(tx, before.id, process_ids, actor)
    return any_process


def _keep_for_readers(tx: Transaction, asset_id: int) -> None:
    """What the robots of those who have read it cover, until their logs are closed."""
    tx.run(sql.keep_replaced, id=asset_id, since=tx.now - LOG_STAYS_OPEN)


def _stored(tx: Transaction, asset_id: int) -> Stored:
    return tx.one(sql.list, Stored, missing=_missing(asset_id), id=asset_id, limit=1)


def _missing(asset_id: int) -> str:
    return f"There is no asset {asset_id}."


def _new_name(tx: Transaction, stored: Stored, wanted: str) -> str:
    if names.key(wanted) != names.key(stored.name):
        _must_be_free(tx, wanted)
    return names.clean(wanted, what="asset")


def _must_be_free(tx: Transaction, name: str) -> None:
    if tx.maybe(sql.list, Stored, name_key=names.key(name), limit=1):
        raise AlreadyExists(f"There is an asset {name} already.")
