"""`robot-agent prepare`: builds the environments of packages before a job needs them."""

import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from robot_agent import config, packages
from robot_agent.environments.shelf import Shelf
from robot_agent.exits import AgentExit, JobFailed, Status
from sdk.escapes import clean
from sdk.running.command import NoScript, script_in


@click.command("prepare")
@click.option("--data", help="Folder of the agent. [RUNWRIGHT_DATA]", envvar="RUNWRIGHT_DATA")
@click.option(
    "--script", "scripts", multiple=True, default=["main.py"], show_default=True,
    help="Of the package; repeatable. Which one matters if it has a block of its own (PEP 723).",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.argument(
    "sources", metavar="PACKAGE...", nargs=-1, required=True,
    type=click.Path(exists=True, path_type=Path),
)  # fmt: skip
def command(
    data: str | None, scripts: tuple[str, ...], as_json: bool, sources: tuple[Path, ...]
) -> None:
    """Build the environments that packages need, from their archives or folders.

    An agent in the folder may be at work meanwhile: its jobs find what is built.
    """
    folder = Path(data).expanduser() if data else config.default_data()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        built = asyncio.run(_prepare(folder.absolute(), sources, scripts))
    except (JobFailed, NoScript) as error:
        raise AgentExit(Status.CONFIG, str(error)) from error
    except OSError as error:
        raise AgentExit(Status.CONFIG, f"{folder} cannot be used: {error}.") from error
    if as_json:
        click.echo(json.dumps(built))
    for one in [] if as_json else built:
        click.echo(clean(f"{one['package']} {one['script']}: ready in {one['seconds']} s"))


async def _prepare(
    data: Path, sources: tuple[Path, ...], scripts: tuple[str, ...]
) -> list[dict[str, object]]:
    shelf = Shelf(data / "environments")
    await shelf.lay_out()
    built: list[dict[str, object]] = []
    for source in sources:
        with _unpacked(source) as (key, work):
            for path in scripts:
                began = time.monotonic()
                async with shelf.lend(key, work, script_in(work, path)) as environment:
                    seconds = round(time.monotonic() - began, 1)
                    built.append(
                        {
                            "package": source.name,
                            "script": path,
                            "environment": environment.folder.name,
                            "seconds": seconds,
                        }
                    )
    return built


@contextmanager
def _unpacked(source: Path) -> Iterator[tuple[str, Path]]:
    if source.is_dir():
        yield str(source), source.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="runwright-prepare-") as folder:
        packages.extract(source, Path(folder))
        yield hashlib.sha256(source.read_bytes()).hexdigest(), Path(folder).resolve()
