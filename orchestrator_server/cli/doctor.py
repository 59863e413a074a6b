"""`orchestrator doctor`: whether everything is as it must be."""

import os
import shlex
from pathlib import Path

import click

from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.doctor import advice, service
from orchestrator_server.doctor.service import Finding, Review
from orchestrator_server.keys import Keys
from orchestrator_server.objects.open import store_at
from orchestrator_server.packages import storage
from sdk import private_folder
from sdk.escapes import clean

EXIT_FOUND = 1


@click.command("doctor")
@options.data
@options.allow_open_data_folder
@options.database_url
@options.store
def command(
    data: Path, allow_open_data_folder: bool, database_url: str | None, store: str | None
) -> None:
    """Check jobs, items, packages and the audit trail for inconsistencies. Changes nothing.

    Then it lists what an operator should review, which does not change the exit status.
    """
    config = Config(data=data, database_url=database_url, store=store)

    async def examine(database: Database, keys: Keys) -> tuple[list[Finding], list[Review]]:
        there = await storage.there(store_at(config, store))
        findings = await database.read(service.examine, keys, there)
        are_trusted = bool(os.environ.get(options.TRUSTED_PROXY))
        proxies = await database.read(advice.proxies, are_trusted=are_trusted)
        return findings, [*await database.read(service.review), proxies]

    findings, reviews = options.on_existing_database(config, examine)
    if not allow_open_data_folder:
        findings.append(_privacy(data))
    _show(findings, reviews)
    if any(finding.broken_by for finding in findings):
        raise SystemExit(EXIT_FOUND)


def _privacy(data: Path) -> Finding:
    is_open = private_folder.is_open(data)
    why = f"{data} is open: chmod 700 {shlex.quote(str(data))}"
    return Finding("Other users cannot read the data folder", [why] * is_open)


def _show(findings: list[Finding], reviews: list[Review]) -> None:
    for finding in findings:
        click.echo(f"{'no ' if finding.broken_by else 'ok '} {finding.promise}")
        for what in finding.broken_by:
            click.echo(clean(f"      {what}"))
    for review in reviews:
        if review.items:
            click.echo(f"review: {review.subject}")
        for item in review.items:
            click.echo(clean(f"      {item}"))
