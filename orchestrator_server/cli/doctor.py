"""`orchestrator doctor`: whether everything is as it must be."""

from pathlib import Path

import click

from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.doctor import service
from orchestrator_server.doctor.service import Finding
from orchestrator_server.keys import Keys

EXIT_FOUND = 1


@click.command("doctor")
@options.data
@options.database_url
def command(data: Path, database_url: str | None) -> None:
    """Check the promises about jobs, items, packages and the audit trail. Changes nothing."""
    folder = data / "packages"
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()

    async def examine(database: Database, keys: Keys) -> list[Finding]:
        return await database.read(service.examine, keys, there)

    findings = options.on_existing_database(Config(data=data, database_url=database_url), examine)
    for finding in findings:
        click.echo(f"{'no ' if finding.broken_by else 'ok '} {finding.promise}")
        for what in finding.broken_by:
            click.echo(f"      {what}")
    if any(finding.broken_by for finding in findings):
        raise SystemExit(EXIT_FOUND)
