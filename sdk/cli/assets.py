"""`sdk assets`: the values that scripts can read; secrets stay hidden."""

import json

import click

from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import as_json, show, table
from sdk.client import Client
from sdk.contract.assets import Asset

WIDTH = 40


@click.command("assets")
@profile_option
@as_json
def command(profile: str | None, as_json: bool) -> None:
    """List assets; of a secret only that it is there."""
    assets = talk(profile, _all)
    rows = [(asset.name, asset.type, _short(asset), asset.description) for asset in assets]
    text = table(rows, ("NAME", "TYPE", "VALUE", "DESCRIPTION")) or "No assets."
    show(assets, text, as_json=as_json)


async def _all(client: Client) -> list[Asset]:
    return [asset async for asset in client.list_assets()]


def _short(asset: Asset) -> str:
    value = asset.value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
