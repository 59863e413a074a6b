"""The verbs with which people let processes read a secret asset, and stop that."""

from orchestrator_server.access.callers import Actor
from orchestrator_server.assets import service, values
from orchestrator_server.audit import service as audit
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.errors import Invalid
from orchestrator_server.grants import service as grants
from orchestrator_server.processes import service as processes
from sdk.contract.assets import Asset, AssetGrant


def grant(tx: Transaction, actor: Actor, asset_id: int, wanted: AssetGrant) -> Asset:
    """Let a process read the asset, from the version on that the process has now.

    Raises Invalid if the asset is no secret, Conflict if the process is in another version.
    """
    if (wanted.process_id is None) == (wanted.process is None):
        raise Invalid("Give either `process_id` or `process`.", pointer="#/process_id")
    stored = service.locked(tx, asset_id)
    process_id = wanted.process_id or processes.id_of(tx, wanted.process or "")
    if stored.type not in values.SEALED:
        raise Invalid(
            f"Asset {stored.name} is of type {stored.type}, which is no secret: all jobs may read "
            "it already."
        )
    granted = grants.add(tx, asset_id, process_id, actor, version=wanted.version)
    metadata = {"process_id": process_id, **granted._asdict()}
    audit.record(
        tx, actor, "asset.granted", entity_id=asset_id, name=stored.name, metadata=metadata
    )
    return service.shown(tx, stored)


def revoke(tx: Transaction, actor: Actor, asset_id: int, process_id: int) -> None:
    """Stop a process reading the asset; running jobs cannot read it any more either.

    Without such a grant, nothing happens.
    """
    stored = service.locked(tx, asset_id)
    if grants.remove(tx, asset_id, process_id):
        metadata = {"process_id": process_id}
        audit.record(
            tx, actor, "asset.revoked", entity_id=asset_id, name=stored.name, metadata=metadata
        )
