"""Things at the server, by the names that people give on the command line."""

import difflib
from collections.abc import Iterable

from sdk.cli.terminal import Exit, Failure
from sdk.client import Client
from sdk.contract.assets import Asset, AssetQuery
from sdk.contract.processes import Process
from sdk.publishing import find_process


async def process_named(client: Client, name: str) -> Process:
    """Failure with a suggestion if there is none."""
    if (found := await find_process(client, name)) is not None:
        return found
    raise missing("process", name, [process.name async for process in client.list_processes()])


async def asset_named(client: Client, name: str) -> Asset:
    """Failure with a suggestion if there is none."""
    async for asset in client.list_assets(AssetQuery(search=name)):
        if asset.name.casefold() == name.casefold():
            return asset
    raise missing("asset", name, [asset.name async for asset in client.list_assets()])


def missing(what: str, name: str, known: Iterable[str]) -> Failure:
    near = difflib.get_close_matches(name, list(known), n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return Failure(f"There is no {what} {name}.{meant}", Exit.NOT_FOUND)
