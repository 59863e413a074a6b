"""`orchestrator audit`: whether the audit trail is what was written."""

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator_server.app import prepare
from orchestrator_server.audit.chain import Verified
from orchestrator_server.audit.chain import verify as verify_chain
from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.open import open_database

EXIT_BROKEN = 1


@click.group("audit")
def command() -> None:
    """Look at the audit trail."""


@command.command("verify")
@options.data
@options.database_url
def verify(data: Path, database_url: str | None) -> None:
    """Look for events that were changed, removed or moved. Ends with status 1 if there are."""
    config = Config(data=data, database_url=database_url)
    found: list[Verified] = []

    async def run() -> None:
        database = await open_database(config, lambda: datetime.now(UTC))
        try:
            keys = await prepare(database, config)
            found.append(await database.read(verify_chain, keys))
        finally:
            await database.close()

    options.run(run)
    [verified] = found
    if verified.broken is not None:
        broken = verified.broken
        event = f", event {broken.event_id}" if broken.event_id else ""
        click.echo(f"The audit trail is broken at link {broken.seq}{event}: {broken.why}", err=True)
        raise SystemExit(EXIT_BROKEN)
    click.echo(f"{verified.events} events are as they were written; {verified.waiting} are new.")
