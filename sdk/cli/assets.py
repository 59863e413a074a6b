"""`sdk assets`: the values that scripts can read, and which processes may read the secret ones."""

import json

import click

from sdk.cli.connection import profile_option, talk
from sdk.cli.finding import asset_named, process_named
from sdk.cli.terminal import as_json, say, show, table
from sdk.client import Client
from sdk.contract.assets import Asset, AssetGrant
from sdk.contract.processes import Process

WIDTH = 40


@click.group("assets", invoke_without_command=True)
@profile_option
@as_json
@click.pass_context
def command(context: click.Context, profile: str | None, as_json: bool) -> None:
    """List assets, or grant a secret one to a process."""
    if context.invoked_subcommand:
        given = {"profile": profile, "as_json": as_json}
        context.default_map = {str(context.invoked_subcommand): given}
        return
    assets = talk(profile, _all)
    rows = [(asset.name, asset.type, _short(asset), asset.description) for asset in assets]
    text = table(rows, ("NAME", "TYPE", "VALUE", "DESCRIPTION")) or "No assets."
    show(assets, text, as_json=as_json)


@command.command("grant")
@click.argument("asset")
@click.argument("process")
@profile_option
@as_json
def grant(asset: str, process: str, profile: str | None, as_json: bool) -> None:
    """Let the jobs of PROCESS read ASSET, from the version on that the process has now."""

    async def work(client: Client) -> tuple[Asset, Process, int]:
        found, reader = await asset_named(client, asset), await process_named(client, process)
        package = await client.get_package(reader.package_id)
        say(
            f"Process {reader.name}, version {reader.version}, runs {reader.script_path} of "
            f"{package.name} {package.version}."
        )
        wanted = AssetGrant(process_id=reader.id, version=reader.version)
        granted = await client.grant_asset(found.id, wanted)
        secrets = await client.list_process_secrets(reader.id)
        since = [s.from_version for s in secrets if s.asset_id == found.id and s.from_version]
        return granted, reader, since[0] if since else reader.version  # an earlier grant stays

    granted, reader, since = talk(profile, work)
    text = f"Jobs of {reader.name} may read {granted.name} from version {since} on."
    show(granted, text, as_json=as_json)


@command.command("revoke")
@click.argument("asset")
@click.argument("process")
@profile_option
@as_json
def revoke(asset: str, process: str, profile: str | None, as_json: bool) -> None:
    """Stop the jobs of PROCESS reading ASSET, running ones included."""

    async def work(client: Client) -> Asset:
        found, reader = await asset_named(client, asset), await process_named(client, process)
        await client.revoke_asset(found.id, reader.id)
        return await client.get_asset(found.id)

    revoked = talk(profile, work)
    show(revoked, f"Jobs of {process} can no longer read {revoked.name}.", as_json=as_json)
    if revoked.any_process:
        say(f"{revoked.name} is still open to the jobs of all processes (any_process).")


async def _all(client: Client) -> list[Asset]:
    return [asset async for asset in client.list_assets()]


def _short(asset: Asset) -> str:
    value = asset.value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
