"""`orchestrator store`: where packages, artifacts and the logs of ended jobs are."""

import tempfile
from pathlib import Path

import click
import msgspec

from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.keys import Keys
from orchestrator_server.objects.moving import Move
from orchestrator_server.objects.open import open_store

FOLDER = "folder"


@click.group("store")
def command() -> None:
    """Where packages, artifacts and the logs of ended jobs are kept."""


@command.command()
@options.data
@options.database_url
@click.option("--from", "source", default=FOLDER, show_default=True, help="As for --to.")
@click.option(
    "--to", "target", required=True, help="s3://, gs:// or az://BUCKET/FOLDER, or folder."
)
def move(data: Path, database_url: str | None, source: str, target: str) -> None:
    """Bring everything from one object store to another; each file is read back and compared.

    Stop the server first, or run it once more when it is stopped: what is there already is only
    compared. Nothing is removed from the old store.
    """
    if source == target:
        options.fail("--from and --to are the same.")
    config = Config(data=data, database_url=database_url)
    done = options.on_existing_database(
        config, lambda database, keys: _move(config, database, keys, source, target)
    )
    if done.missing:
        options.fail(
            f"{len(done.missing)} files are missing from the old store, or not as the database "
            f"says: {', '.join(done.missing[:5])}. The other {done.files:,} are in the new one."
        )
    setting = "without --store" if target == FOLDER else f"with --store {target}"
    click.echo(
        f"{done.files:,} files are in the new store, each compared. Start the server {setting}. "
        f"When you have seen it work, remove {_what_is_left(source)}."
    )


async def _move(config: Config, database: Database, keys: Keys, source: str, target: str) -> Move:
    old = await open_store(_with(config, source), keys, may_sign=False)
    new = await open_store(_with(config, target), keys)
    with tempfile.TemporaryDirectory(prefix=".moving-", dir=config.data) as folder:
        work = Move(database, old, new, Path(folder))
        await work.run(lambda what, files: click.echo(f"  {what}: {files:,}"))
    return work


def _with(config: Config, place: str) -> Config:
    return msgspec.structs.replace(config, store=None if place == FOLDER else place)


def _what_is_left(source: str) -> str:
    if source == FOLDER:  # the server itself takes the logs, of which some are being written
        return "the folders packages and artifacts"
    return f"what is at {source}"
