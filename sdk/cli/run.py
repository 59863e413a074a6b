"""`sdk run`: try a script here, as a robot would run it."""

import asyncio
import json
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from sdk import local, packaging, project
from sdk.cli import parameters
from sdk.cli.terminal import Exit, Failure, as_json, print_bytes, say, show
from sdk.contract.runner import JobReport
from sdk.running import here
from sdk.running.command import NoScript
from sdk.running.process import StopOrder


@click.command("run")
@click.argument("script", required=False)
@parameters.options
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Where the package is.  [default: here]",
)
@click.option(
    "--local",
    "local_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Assets and queues for it.  [default: FOLDER/{local.NAME}, if it is there]",
)
@as_json
def command(
    script: str | None,
    params: tuple[str, ...],
    params_file: Path | None,
    folder: Path,
    local_file: Path | None,
    as_json: bool,
) -> None:
    """Run SCRIPT (main.py, or main.py:main) of the package in FOLDER, here.

    It is packed and unpacked first, gets the environment that a robot would give it, and what it
    asks an orchestrator for comes from a file. Without SCRIPT, the first process is run."""
    script_path = script or _first(folder)
    given = parameters.given(params, params_file)
    with (
        local.orchestrator(local_file or folder / local.NAME) as orchestrator,
        tempfile.TemporaryDirectory(prefix="sdk-run-") as scratch,
    ):
        archive = _packed(folder, Path(scratch) / "dist")
        job = Path(scratch) / "job"
        job.mkdir()
        reach = orchestrator.environment
        try:
            report = asyncio.run(_run(archive, job, script_path, given, reach, to_stderr=as_json))
        except NoScript as error:
            raise Failure(str(error), Exit.NOT_FOUND) from error
    _tell(report, as_json=as_json)


def _tell(report: JobReport, *, as_json: bool) -> None:
    told = {
        "status": report.status,
        "reason": report.reason,
        "result": report.result,
        "error_message": report.error_message,
    }
    if as_json:
        show(told, "", as_json=True)
    elif report.result is not None:
        say(f"Result: {json.dumps(report.result, ensure_ascii=False)}")
    if report.status != "completed":
        raise Failure(f"It would be {report.status}: {report.error_message}", Exit.JOB_FAILED)
    say("It would be completed.")


async def _run(
    archive: Path,
    folder: Path,
    script_path: str,
    given: dict[str, Any],
    reach: dict[str, str],
    *,
    to_stderr: bool,
) -> JobReport:
    order = StopOrder()
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # on Windows an interrupt ends us and the script at once
        loop.add_signal_handler(signal.SIGINT, here.stopped, order)
    told: Callable[[bytes], object] = lambda piece: print_bytes(piece, to_stderr=to_stderr)  # noqa: E731
    try:
        return await here.run(archive, folder, script_path, given, reach, told, order)
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)


def _first(folder: Path) -> str:
    plans = project.processes(folder)
    if not plans:
        raise click.UsageError("Say which script: sdk run main.py")
    return next(iter(plans.values())).script


def _packed(folder: Path, destination: Path) -> Path:
    name, version = project.name_and_version(folder)
    return packaging.pack(folder, destination, name=name or "package", version=version or "0.0.0")
