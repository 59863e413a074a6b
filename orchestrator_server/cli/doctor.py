"""`orchestrator doctor`: whether everything is as it must be."""

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestrator_server import keys
from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.open import open_database
from orchestrator_server.doctor import service
from orchestrator_server.doctor.service import Finding

EXIT_FOUND = 1


@click.command("doctor")
@options.data
@options.database_url
def command(data: Path, database_url: str | None) -> None:
    """Check the promises about jobs, items, packages and the audit trail. Changes nothing."""
    config = Config(data=data, database_url=database_url)
    findings: list[Finding] = []

    async def run() -> None:
        database = await open_database(config, lambda: datetime.now(UTC))
        try:
            check = await database.read(keys.stored_check)
            loaded = keys.load(config.key_file, check=check)
            folder = data / "packages"
            there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
            findings.extend(await database.read(service.examine, loaded, there))
        finally:
            await database.close()

    options.run(run)
    for finding in findings:
        sign = "no " if finding.broken_by else "ok "
        click.echo(f"{sign} {finding.promise}")
        for what in finding.broken_by:
            click.echo(f"      {what}")
    if any(finding.broken_by for finding in findings):
        raise SystemExit(EXIT_FOUND)
