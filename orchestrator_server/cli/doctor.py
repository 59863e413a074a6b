"""`orchestrator doctor`: whether everything is as it must be."""

from pathlib import Path

import click

from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.doctor import service
from orchestrator_server.doctor.service import Finding
from orchestrator_server.keys import Keys
from orchestrator_server.objects.open import store_at
from orchestrator_server.packages import storage
from sdk.escapes import clean

EXIT_FOUND = 1


@click.command("doctor")
@options.data
@options.database_url
@options.store
def command(data: Path, database_url: str | None, store: str | None) -> None:
    """Check the promises about jobs, items, packages and the audit trail. Changes nothing."""
    config = Config(data=data, database_url=database_url, store=store)

    async def examine(database: Database, keys: Keys) -> list[Finding]:
        there = await storage.there(store_at(config, store))
        return await database.read(service.examine, keys, there)

    findings = options.on_existing_database(config, examine)
    for finding in findings:
        click.echo(f"{'no ' if finding.broken_by else 'ok '} {finding.promise}")
        for what in finding.broken_by:
            click.echo(clean(f"      {what}"))
    if any(finding.broken_by for finding in findings):
        raise SystemExit(EXIT_FOUND)
