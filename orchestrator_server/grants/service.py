"""Which processes may read which secret assets, each from one of its versions on.

A grant counts from the version that the process had when it was given. So a job that was made
before, of something else than what was looked at, does not read the secret when it comes to run.
"""

from collections.abc import Iterable
from shlex import quote
from typing import NamedTuple

import msgspec

from orchestrator_server import names
from orchestrator_server.access.callers import SYSTEM, Actor
from orchestrator_server.audit import service as audit
from orchestrator_server.db import queries
from orchestrator_server.db.rows import Json
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Conflict, Forbidden
from sdk.contract.processes import ProcessSecret

sql = queries.load(__package__)

FROM_THE_FIRST = 1


class Job(msgspec.Struct, frozen=True):
    """What decides whether a running job may read a secret."""

    robot_id: int
    process_id: int
    process_name: str
    process_version: int


class _Process(msgspec.Struct, frozen=True):
    id: int
    name: str
    version: int


class _Pair(msgspec.Struct, frozen=True):
    asset_id: int
    process_id: int


class _Grant(msgspec.Struct, frozen=True):
    from_version: int


class Granted(NamedTuple):
    process: str
    from_version: int


class _Name(msgspec.Struct, frozen=True):
    name: str


class _Known(msgspec.Struct, frozen=True):
    name_key: str
    is_secret: bool


class _Upgraded(msgspec.Struct, frozen=True):
    asset_name: str
    process_name: str


def of_assets(tx: Transaction, asset_ids: Iterable[int]) -> dict[int, list[int]]:
    """The processes that each asset was granted to by name."""
    found: dict[int, list[int]] = {asset_id: [] for asset_id in asset_ids}
    if found:
        bounds = {"first_id": min(found), "last_id": max(found)}
        for pair in tx.all(sql.of_assets, _Pair, **bounds):
            found.setdefault(pair.asset_id, []).append(pair.process_id)
    return found


def add(
    tx: Transaction, asset_id: int, process_id: int, by: Actor, *, version: int | None = None
) -> Granted:
    """Grant an asset to a process, from the version on that the process has now. A grant that
    exists keeps its version.

    Raises NotFound without the process, Conflict if it is in another version than `version`.
    """
    missing = f"There is no process {process_id}."
    process = tx.one(sql.process, _Process, missing=missing, id=process_id)
    if version not in (None, process.version):
        raise Conflict(
            f"Process {process.name} is in version {process.version} by now, not {version}; "
            "check what it runs, and grant the asset again.",
            kind="process-changed",
        )
    grant = tx.one(
        sql.insert,
        _Grant,
        missing="The grant was not stored.",
        asset_id=asset_id,
        process_id=process_id,
        from_version=process.version,
        granted_by=by.name,
    )
    return Granted(process.name, grant.from_version)


def remove(tx: Transaction, asset_id: int, process_id: int | None = None) -> bool:
    """Take an asset from a process, or from all processes; return whether one had it."""
    return bool(tx.all(sql.delete, _Pair, asset_id=asset_id, process_id=process_id))


def replace(tx: Transaction, asset_id: int, process_ids: list[int], by: Actor) -> None:
    """Grant an asset to these processes and no others. Grants that stay keep their version."""
    before = of_assets(tx, [asset_id])[asset_id]
    for process_id in set(before) - set(process_ids):
        remove(tx, asset_id, process_id)
    for process_id in sorted(set(process_ids) - set(before)):
        add(tx, asset_id, process_id, by)


def forget_process(tx: Transaction, process_id: int) -> None:
    tx.run(sql.delete_of_process, process_id=process_id)


def check(tx: Transaction, asset_id: int, asset_name: str, job: Job) -> None:
    """Raise Forbidden, kind `asset-not-granted`, unless the job's process may read the asset."""
    grant = tx.maybe(sql.one, _Grant, asset_id=asset_id, process_id=job.process_id)
    if grant is None:
        why = (
            f"Asset {asset_name} is not granted to process {job.process_name}. Somebody with the "
            f"permission assets:edit grants it with `sdk assets grant {quote(asset_name)} "
            f"{quote(job.process_name)}`; then start a new job."
        )
    elif grant.from_version > job.process_version:
        why = (
            f"Asset {asset_name} is granted to process {job.process_name} from version "
            f"{grant.from_version} on, and this job runs version {job.process_version}: start a "
            "new job of the process instead."
        )
    else:
        return
    raise Forbidden(why, kind="asset-not-granted")


def named(tx: Transaction, process_id: int) -> list[str]:
    """The secrets that were granted to the process by name: they lock what it runs."""
    return [row.name for row in tx.all(sql.named, _Name, process_id=process_id)]


def secrets_of(tx: Transaction, process_id: int, requested: list[str]) -> list[ProcessSecret]:
    """The secrets that a process may read or that its package asks for."""
    found = tx.all(sql.readable, ProcessSecret, process_id=process_id)
    have = {names.key(secret.name) for secret in found}
    asked = {names.key(name): name for name in requested}
    keys = sorted(set(asked) - have)
    known = {
        row.name_key: row.is_secret for row in tx.all(sql.known_names, _Known, name_keys=Json(keys))
    }
    readable = [
        msgspec.structs.replace(
            secret, granted=True, requested=names.key(secret.name) in asked, exists=True
        )
        for secret in found
    ]
    # A value that is no secret is open to all jobs.
    return readable + [
        ProcessSecret(name=asked[key], requested=True, exists=key in known)
        for key in keys
        if known.get(key, True)
    ]


def grant_earlier_readers(tx: Transaction) -> None:
    """Once, when a database of 0.1 is upgraded: what was read so far can still be read."""
    for pair in tx.all(sql.grant_earlier_readers, _Pair):
        metadata = {"process_id": pair.process_id, "from_version": FROM_THE_FIRST}
        audit.record(tx, SYSTEM, "asset.granted", entity_id=pair.asset_id, metadata=metadata)


def from_upgrade(tx: Transaction, limit: int) -> list[str]:
    found = tx.all(sql.from_upgrade, _Upgraded, limit=limit)
    return [f"asset {row.asset_name}, process {row.process_name}" for row in found]
