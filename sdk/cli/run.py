"""`sdk run`: try a script here, as a robot would run it."""

import asyncio
import json
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from sdk import local, packaging, project
from sdk.cli import parameters
from sdk.cli.terminal import Exit, Failure, LogOutput, as_json, say, show
from sdk.contract.jobs import Reason
from sdk.contract.runner import JobReport
from sdk.project import ProcessPlan
from sdk.running import here
from sdk.running.command import NoScript
from sdk.running.process import StopOrder

SIGNALED = 128  # a shell's exit status for what a signal ended is this and its number
ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


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
    plan = _plan(folder, script)
    given = (plan.default_parameters or {}) | parameters.given(params, params_file)
    with (
        local.orchestrator(local_file or folder / local.NAME) as orchestrator,
        tempfile.TemporaryDirectory(prefix="sdk-run-") as scratch,
    ):
        archive = _packed(folder, Path(scratch) / "dist")
        job = Path(scratch) / "job"
        job.mkdir()
        reach = orchestrator.environment
        try:
            report, ended_by = asyncio.run(
                _run(archive, job, plan.script, given, reach, to_stderr=as_json)
            )
        except NoScript as error:
            raise Failure(str(error), Exit.NOT_FOUND) from error
    _tell(report, as_json=as_json, ended_by=ended_by)


def _tell(report: JobReport, *, as_json: bool, ended_by: int | None) -> None:
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
    if ended_by is not None:
        say(f"Ended by {signal.Signals(ended_by).name}; so is all that the script started.")
        raise click.exceptions.Exit(SIGNALED + ended_by)
    if report.status != "completed":
        status = Exit.ERROR if report.reason == Reason.PARAMETERS_INVALID else Exit.JOB_FAILED
        raise Failure(f"It would be {report.status}: {report.error_message}", status)
    say("It would be completed.")


async def _run(
    archive: Path,
    folder: Path,
    script_path: str,
    given: dict[str, Any],
    reach: dict[str, str],
    *,
    to_stderr: bool,
) -> tuple[JobReport, int | None]:
    """What a robot would report; and the signal that ended the script by way of us, if one did."""
    order = StopOrder()
    came: list[int] = []

    def signaled(number: int) -> None:
        came.append(number)
        if number == signal.SIGINT:
            here.stopped(order)
        else:  # whoever sends another has no time, or no terminal
            order.kill(Reason.CANCELED_BY_USER)

    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # on Windows an interrupt ends us and the script at once
        for number in ENDING:
            loop.add_signal_handler(number, signaled, number)
    with LogOutput(to_stderr=to_stderr) as output:
        report = await here.run(archive, folder, script_path, given, reach, output.write, order)
    return report, came[0] if came and report.reason == Reason.CANCELED_BY_USER else None


def _plan(folder: Path, script: str | None) -> ProcessPlan:
    """The process whose script it is; without a script the first one."""
    plans = project.processes(folder)
    if script is None:
        if not plans:
            raise click.UsageError("Say which script: sdk run main.py")
        return next(iter(plans.values()))
    for name, plan in plans.items():
        if plan.script == script:
            return plan
        if plan.script.startswith(f"{script}:"):
            say(f"{script} is run as a whole. Process {name} calls {plan.script} of it.")
    return ProcessPlan(script=script)


def _packed(folder: Path, destination: Path) -> Path:
    name, version = project.name_and_version(folder)
    return packaging.pack(folder, destination, name=name or "package", version=version or "0.0.0")
