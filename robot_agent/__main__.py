"""The program `robot-agent`: reads its options, runs the agent, says how it ended."""

import asyncio
import json
import logging
import os
import platform
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from robot_agent import (
    config,
    data_folder,
    doctor,
    hardening,
    prepare,
    pulse,
    run_as,
    status,
    tls,
)
from robot_agent.agent import Agent
from robot_agent.exits import AgentExit, Status
from robot_agent.service import command as service
from sdk.escapes import clean
from sdk.private_folder import private_files
from sdk.running import family
from sdk.running.launch import Launch

DRAIN_LOOK_SECONDS = 0.2

log = logging.getLogger("robot_agent")


class _Program(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except AgentExit as reason:
            sys.exit(_say(reason))


@click.group(name="robot-agent", cls=_Program)
@click.version_option(package_name="runwright", prog_name="robot-agent")
def main() -> None:
    """Runs the jobs of an orchestrator on this machine."""


@main.command()
@click.option("--url", help="Address of the server. [RUNWRIGHT_URL]")
@click.option(
    "--machine-key-file",
    help="File with the machine's key. [RUNWRIGHT_MACHINE_KEY_FILE, or RUNWRIGHT_MACHINE_KEY]",
)
@click.option("--machine-key-fd", help="Read the machine's key from this file descriptor instead.")
@click.option("--name", help="Name of the robot; the host's, if not given. [RUNWRIGHT_NAME]")
@click.option("--robots", help="How many jobs may run at once; 1. [RUNWRIGHT_ROBOTS]")
@click.option("--data", help="Folder of this agent alone. [RUNWRIGHT_DATA]")
@click.option(
    "--allow-open-data-folder",
    flag_value="true",
    help="Start although other users of this machine can read the data folder.",
)
@click.option(
    "--run-as",
    help="Run scripts as these users, one for each robot: USER[,USER...] (Linux, as root).",
)
@click.option("--min-free-mib", help="With less room on the disk no job is taken; 100.")
@click.option("--job-memory-mib", help="Over this a job is ended (out_of_memory); no limit.")
@click.option("--job-processes", help="Over this many processes a job is ended; no limit.")
@click.option("--job-output-mib", help="Over this a job is ended (output_limit); no limit.")
@click.option(
    "--environments-mib", help="Limit for environments and uv's cache (default 10240; 0: no limit)."
)
@click.option("--environments-days", help="Unused so long, an environment goes; 30, 0: never.")
@click.option("--deaf-after-seconds", help="When to start anew if only others are answered; 300.")
@click.option("--finish-minutes", help="How long jobs may go on after SIGTERM; 0, until they end.")
@click.option("--ca-file", help="Certificates (PEM) to trust besides the system's.")
@click.option("--health-port", help="Port on 127.0.0.1 for /health, /status, /metrics; 0, none.")
@click.option("--config", help="TOML file with the same settings. [RUNWRIGHT_CONFIG]")
def run(**options: str | None) -> None:
    """Register with the server and work until stopped.

    Each option is also a variable RUNWRIGHT_<OPTION> and a key of the TOML file.

    SIGTERM or Ctrl-C: finish the running jobs, take no more. A second one ends them too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        _run(options)
    except BaseExceptionGroup as group:
        first = _first_exit(group)
        if first is None:
            log.critical("The agent stops because one of its parts failed.", exc_info=group)
            sys.exit(Status.SOFTWARE)
        sys.exit(_say(first))


def _run(options: dict[str, str | None]) -> None:
    if not hardening.close_memory() and sys.platform == "linux":
        log.warning("Scripts of this account can read the agent's memory: prctl(2) refused.")
    settings = config.load(options, os.environ, default_name=platform.node() or "robot")
    accounts = run_as.accounts(settings)
    machine_key = config.read_machine_key(settings, os.environ)
    tls.context(settings.ca_file)  # a file that is none is told before anything is begun
    with private_files() as umask, _data_folder(settings) as folder:
        if accounts:
            run_as.check(accounts, folder.environments)
            if not hardening.forbid_new_privileges():
                raise AgentExit(
                    Status.CONFIG,
                    "--run-as needs no_new_privs (prctl(2)), which this kernel refused.",
                )
        tls.hand_on(settings.ca_file, folder.path)
        family.adopt_orphans()
        launches = [Launch(umask, account) for account in accounts] or [Launch(umask)]
        asyncio.run(_live(settings, machine_key, folder, launches))


def _data_folder(settings: config.Config) -> AbstractContextManager[data_folder.DataFolder]:
    return data_folder.opened(
        settings.data,
        settings.min_free_mib * config.MIB,
        allow_open=settings.allow_open_data_folder,
        passable=bool(settings.run_as),
    )


async def _live(
    settings: config.Config,
    machine_key: str,
    folder: data_folder.DataFolder,
    launches: list[Launch],
) -> None:
    # Made here: its events belong to this loop.
    agent = Agent(settings, machine_key, folder, launches)
    pulse.end_when_deaf(agent.pulse, settings.url, settings.deaf_after_seconds)
    await agent.run()


@main.command()
@click.option("--data", help="Folder of the agent. [RUNWRIGHT_DATA]", envvar="RUNWRIGHT_DATA")
@click.option("--wait-seconds", type=float, help="How long to wait for its end; for ever.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def drain(data: str | None, wait_seconds: float | None, as_json: bool) -> None:
    """Let the agent on this machine finish its jobs, take no more, and end; return when it has.

    Exit status 75 if it has not ended in time: it goes on draining.
    """
    folder = Path(data).expanduser() if data else config.default_data()
    try:
        if not data_folder.is_in_use(folder):
            raise AgentExit(Status.CONFIG, f"No agent works in {folder}; is --data right?")
        data_folder.drain_file(folder).touch()
    except OSError as error:
        raise AgentExit(Status.CONFIG, f"{folder} cannot be used: {error}.") from error
    until = time.monotonic() + wait_seconds if wait_seconds is not None else None
    while data_folder.is_in_use(folder):
        if until is not None and time.monotonic() >= until:
            raise AgentExit(Status.NOT_YET, "Its jobs have not ended; it still drains.")
        time.sleep(DRAIN_LOOK_SECONDS)
    said = "Drained: the agent has finished its jobs and ended."
    click.echo(json.dumps({"drained": True}) if as_json else said)


for command in (doctor.command, service.install):
    command.params = [*run.params, *command.params]  # what `run` would be told
for more in (doctor.command, prepare.command, service.command, status.command):
    main.add_command(more)


def _first_exit(group: BaseExceptionGroup[BaseException]) -> AgentExit | None:
    for error in group.exceptions:
        found = _first_exit(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, AgentExit):
            return found
    return None


class _Formatter(logging.Formatter):
    """What a server or a package said does not steer the terminal that shows the log."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


def _say(reason: AgentExit) -> int:
    click.echo(clean(f"robot-agent: {reason}"), err=True)
    return int(reason.status)


if __name__ == "__main__":
    main(prog_name="robot-agent")
