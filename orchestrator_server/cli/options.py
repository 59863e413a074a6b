"""What several commands take, and how they end when they cannot go on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import platformdirs

from orchestrator_server import keys
from orchestrator_server.app import prepare
from orchestrator_server.config import Config
from orchestrator_server.db.migrate import CannotMigrate
from orchestrator_server.db.open import CannotOpen, open_database
from orchestrator_server.db.transaction import Database
from orchestrator_server.errors import OrchestratorError, Unavailable
from orchestrator_server.keys import Keys, WrongKeys
from orchestrator_server.objects.store import WrongStore
from sdk.escapes import clean

T = TypeVar("T")

EXIT_CONFIG = 78  # sysexits.h: something was found in an unconfigured or wrong state
EXIT_LATER = 75  # sysexits.h: what is needed is away; it may help to try again

TRUSTED_PROXY = "RUNWRIGHT_TRUSTED_PROXY"

data = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=lambda: platformdirs.user_data_path("runwright"),
    show_default="the user's data folder",
    envvar="RUNWRIGHT_SERVER_DATA",
    help="Where the database, the keys, packages and logs are.",
)
database_url = click.option(
    "--database-url",
    envvar="RUNWRIGHT_DATABASE_URL",
    help="postgresql://…; without it, SQLite in the data folder.",
)
store = click.option(
    "--store",
    envvar="RUNWRIGHT_STORE",
    help="s3://, gs:// or az://BUCKET/FOLDER; without it, packages are in the data folder.",
)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main`; what stands in its way is told in a sentence, with status 78."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    except Unavailable as error:
        fail(str(error), EXIT_LATER)
    except (CannotMigrate, CannotOpen, WrongKeys, WrongStore, OrchestratorError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"The server cannot start: {error}.")


def on_database(config: Config, work: Callable[[Database, Keys], Awaitable[T]]) -> T:
    """What `work` makes of the database, brought up to date, and its keys."""
    config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return _on_database(config, prepare, work)


def on_existing_database(config: Config, work: Callable[[Database, Keys], Awaitable[T]]) -> T:
    """The same for work that only looks: nothing is made, migrated or changed."""
    if config.database_url is None and not config.sqlite_path.exists():
        fail(f"There is no database in {config.data}; is --data right?")
    if not config.key_file.exists():
        fail(f"There is no key file {config.key_file}; put it back from your backup.")
    return _on_database(config, _keys_of, work)


def _on_database(
    config: Config,
    get_keys: Callable[[Database, Config], Awaitable[Keys]],
    work: Callable[[Database, Keys], Awaitable[T]],
) -> T:
    results: list[T] = []

    async def opened() -> None:
        database = await open_now(config)
        try:
            results.append(await work(database, await get_keys(database, config)))
        finally:
            await database.close()

    run(opened)
    return results[0]


async def open_now(config: Config) -> Database:
    return await open_database(config, lambda: datetime.now(UTC))


async def _keys_of(database: Database, config: Config) -> Keys:
    return keys.load(config.key_file, check=await database.read(keys.stored_check))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (the extra `speed`), asyncio's own loop otherwise."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def fail(sentence: str, status: int = EXIT_CONFIG) -> NoReturn:
    click.echo(clean(f"orchestrator: {sentence}"), err=True)
    raise SystemExit(status)
