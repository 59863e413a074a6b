"""What several commands take, and how they end when they cannot go on."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn

import click
import platformdirs

from orchestrator_server.db.migrate import CannotMigrate
from orchestrator_server.db.open import CannotOpen
from orchestrator_server.errors import OrchestratorError
from orchestrator_server.keys import WrongKeys

EXIT_CONFIG = 78  # sysexits.h: something was found in an unconfigured or wrong state

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


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main`; what stands in its way is told in a sentence, with status 78."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(main())
    except (CannotMigrate, CannotOpen, WrongKeys, OrchestratorError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"The server cannot start: {error}.")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (the extra `speed`), asyncio's own loop otherwise."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def fail(sentence: str) -> NoReturn:
    click.echo(f"orchestrator: {sentence}", err=True)
    raise SystemExit(EXIT_CONFIG)
