"""`sdk queues`: which there are, and items into them."""

import difflib
from pathlib import Path

import click

from sdk.cli import parameters
from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import Exit, Failure, as_json, show, table
from sdk.client import Client
from sdk.contract.queues import Item, ItemCreate, Queue, QueueQuery


@click.group("queues", invoke_without_command=True)
@profile_option
@as_json
@click.pass_context
def command(context: click.Context, profile: str | None, as_json: bool) -> None:
    """List queues, or put an item into one."""
    if context.invoked_subcommand:
        given = {"profile": profile, "as_json": as_json}
        context.default_map = {str(context.invoked_subcommand): given}
        return
    queues = talk(profile, _all)
    rows = [(q.id, q.name, "yes" if q.is_active else "no", q.max_retries) for q in queues]
    text = table(rows, ("ID", "NAME", "ACTIVE", "RETRIES")) or "No queues."
    show(queues, text, as_json=as_json)


@command.command("add")
@click.argument("queue")
@parameters.options
@click.option("--reference", help="What the item is known by, in your own words.")
@profile_option
@as_json
def add(
    queue: str,
    params: tuple[str, ...],
    params_file: Path | None,
    reference: str | None,
    profile: str | None,
    as_json: bool,
) -> None:
    """Put an item into QUEUE, by its name; its payload are the parameters."""
    payload = parameters.given(params, params_file)

    async def put(client: Client) -> Item:
        for known in await client.list_queues(QueueQuery(search=queue, limit=500)):
            if known.name.casefold() == queue.casefold():
                wanted = ItemCreate(queue_id=known.id, payload=payload, reference=reference)
                return await client.create_item(wanted)
        near = difflib.get_close_matches(queue, [known.name for known in await _all(client)], n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise Failure(f"There is no queue {queue}; `sdk queues` lists them.{meant}", Exit.NOT_FOUND)

    item = talk(profile, put)
    show(item, f"Item {item.id} is in {queue}.", as_json=as_json)


async def _all(client: Client) -> list[Queue]:
    return [queue async for queue in client.list_queues()]
