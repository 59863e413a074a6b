"""Assets over HTTP: for people, who never see a secret, and for running jobs, who do."""

from aiohttp import web

from orchestrator_server.access.callers import JobCaller, Person
from orchestrator_server.assets import granting, reads, service
from orchestrator_server.errors import Forbidden
from orchestrator_server.etags import Expected
from orchestrator_server.http.keys import DATABASE, SEALER
from orchestrator_server.http.routes import delete, get, job_get, post, put
from sdk.contract.assets import (
    Asset,
    AssetCreate,
    AssetGrant,
    AssetQuery,
    AssetUpdate,
    AssetValue,
)
from sdk.contract.base import Page


async def list_assets(request: web.Request, wanted: AssetQuery) -> Page[Asset]:
    """List assets, newest first; secrets read `***`."""
    return await request.app[DATABASE].read(service.list_assets, wanted)


async def create_asset(request: web.Request, person: Person, wanted: AssetCreate) -> Asset:
    """Create an asset; a secret is sealed at once. Granting it also takes `assets:edit`."""
    if wanted.process_ids or wanted.any_process:
        person.must("assets:edit")
    return await request.app[DATABASE].write(
        service.create, person.actor, request.app[SEALER], wanted
    )


async def get_asset(request: web.Request, asset_id: int) -> Asset:
    """Get one asset; a secret reads `***`."""
    return await request.app[DATABASE].read(service.get, asset_id)


async def update_asset(
    request: web.Request, person: Person, asset_id: int, wanted: AssetUpdate, expected: Expected
) -> Asset:
    """Change an asset; a secret that is sent back as `***` stays as it is."""
    return await request.app[DATABASE].write(
        service.update, person.actor, request.app[SEALER], asset_id, wanted, expected
    )


async def delete_asset(request: web.Request, person: Person, asset_id: int) -> None:
    """Delete an asset that is no robot's credential; its value is gone at once."""
    await request.app[DATABASE].write(service.delete, person.actor, asset_id)


async def grant_asset(
    request: web.Request, person: Person, asset_id: int, wanted: AssetGrant
) -> Asset:
    """Let the jobs of a process read a secret, from the process's present version on."""
    return await request.app[DATABASE].write(granting.grant, person.actor, asset_id, wanted)


async def revoke_asset(
    request: web.Request, person: Person, asset_id: int, process_id: int
) -> None:
    """Stop a process reading a secret; its running jobs cannot read it any more either."""
    await request.app[DATABASE].write(granting.revoke, person.actor, asset_id, process_id)


async def read_asset(request: web.Request, job: JobCaller, name: str) -> AssetValue:
    """Read the plain value of an asset, as a running job; reads of secrets are audited."""
    database = request.app[DATABASE]
    try:
        return await database.write(reads.read, request.app[SEALER], job, name)
    except Forbidden:
        await database.write(reads.record_refusal, job, name)
        raise


ROUTES = [
    get("/api/assets", list_assets, may="assets:view", sdk="default"),
    post("/api/assets", create_asset, may="assets:create", status=201, sdk="manage"),
    get("/api/assets/{asset_id}", get_asset, may="assets:view", sdk="manage"),
    put("/api/assets/{asset_id}", update_asset, may="assets:edit", sdk="manage"),
    delete("/api/assets/{asset_id}", delete_asset, may="assets:delete", sdk="manage"),
    post("/api/assets/{asset_id}/grants", grant_asset, may="assets:edit", sdk="manage"),
    delete(
        "/api/assets/{asset_id}/grants/{process_id}",
        revoke_asset,
        may="assets:edit",
        sdk="manage",
    ),
    job_get("/api/runtime/assets/{name}", read_asset),
]
