"""`orchestrator audit`: whether the audit trail is what was written."""

from pathlib import Path

import click

from orchestrator_server.audit.chain import Verified, verify_since
from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.keys import Keys
from sdk.escapes import clean

EXIT_BROKEN = 1


@click.group("audit")
def command() -> None:
    """Look at the audit trail."""


@command.command("verify")
@click.option("--link", "noted", help="A link noted earlier, NUMBER:DIGEST, that must be there.")
@options.data
@options.database_url
def verify(noted: str | None, data: Path, database_url: str | None) -> None:
    """Look for events that were changed, removed or moved. Ends with status 1 if there are.

    Note the last link somewhere else, and give it next time: so you notice, too, if somebody
    did away with the whole chain and let the server begin a new one.
    """

    async def look(database: Database, keys: Keys) -> Verified:
        return await database.read(verify_since, keys, noted)

    verified = options.on_existing_database(Config(data=data, database_url=database_url), look)
    if verified.broken is not None:
        broken = verified.broken
        event = f", event {broken.event_id}" if broken.event_id else ""
        sentence = f"The audit trail is broken at link {broken.seq}{event}: {broken.why}"
        click.echo(clean(sentence), err=True)
        raise SystemExit(EXIT_BROKEN)
    click.echo(f"{verified.events} events are as they were written; {verified.waiting} are new.")
    click.echo(f"The last link is {verified.last_link}")
