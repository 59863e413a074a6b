"""The program `robot-agent`: reads its options, runs the agent, says how it ended."""

import asyncio
import logging
import os
import platform
import sys
import time
from pathlib import Path

import click

from robot_agent import config, data_folder, pulse
from robot_agent.agent import Agent
from robot_agent.exits import AgentExit, Status
from sdk.running import family

DRAIN_LOOK_SECONDS = 0.2

log = logging.getLogger("robot_agent")


@click.group(name="robot-agent")
@click.version_option(package_name="runwright", prog_name="robot-agent")
def main() -> None:
    """Runs the jobs of an orchestrator on this machine."""


@main.command()
@click.option("--url", help="Address of the server. [RUNWRIGHT_URL]")
@click.option(
    "--machine-key-file",
    help="File with the machine's key. [RUNWRIGHT_MACHINE_KEY_FILE, or RUNWRIGHT_MACHINE_KEY]",
)
@click.option("--name", help="Name of the robot; the host's, if not given. [RUNWRIGHT_NAME]")
@click.option("--robots", help="How many jobs may run at once; 1. [RUNWRIGHT_ROBOTS]")
@click.option("--data", help="Folder of this agent alone. [RUNWRIGHT_DATA]")
@click.option("--min-free-mib", help="With less room on the disk no job is taken; 100.")
@click.option("--job-memory-mib", help="Over this a job is ended (out_of_memory); no limit.")
@click.option("--job-processes", help="Over this many processes a job is ended; no limit.")
@click.option("--job-output-mib", help="Over this a job is ended (output_limit); no limit.")
@click.option("--deaf-after-seconds", help="When to start anew if only others are answered; 300.")
@click.option("--config", help="TOML file with the same settings. [RUNWRIGHT_CONFIG]")
def run(**options: str | None) -> None:
    """Register with the server and work until stopped.

    Each option is also a variable RUNWRIGHT_<OPTION> and a key of the TOML file.

    SIGTERM or Ctrl-C: finish the running jobs, take no more. A second one ends them too.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        _run(options)
    except AgentExit as reason:
        sys.exit(_say(reason))
    except BaseExceptionGroup as group:
        first = _first_exit(group)
        if first is None:
            log.critical("The agent stops because one of its parts failed.", exc_info=group)
            sys.exit(Status.SOFTWARE)
        sys.exit(_say(first))


def _run(options: dict[str, str | None]) -> None:
    settings = config.load(options, os.environ, default_name=platform.node() or "robot")
    machine_key = config.read_machine_key(settings, os.environ)
    with data_folder.opened(settings.data, settings.min_free_mib * config.MIB) as folder:
        family.adopt_orphans()
        asyncio.run(_live(settings, machine_key, folder))


async def _live(settings: config.Config, machine_key: str, folder: data_folder.DataFolder) -> None:
    agent = Agent(settings, machine_key, folder)  # made here: its events belong to this loop
    pulse.end_when_deaf(agent.pulse, settings.url, settings.deaf_after_seconds)
    await agent.run()


@main.command()
@click.option("--data", help="Folder of the agent. [RUNWRIGHT_DATA]", envvar="RUNWRIGHT_DATA")
@click.option("--wait-seconds", type=float, help="How long to wait for its end; for ever.")
def drain(data: str | None, wait_seconds: float | None) -> None:
    """Let the agent on this machine finish its jobs, take no more, and end; return when it has.

    Exit status 75 if it has not ended in time: it goes on draining.
    """
    folder = Path(data).expanduser() if data else config.default_data()
    if not data_folder.is_in_use(folder):
        sys.exit(_say(AgentExit(Status.CONFIG, f"No agent works in {folder}; is --data right?")))
    data_folder.drain_file(folder).touch()
    until = time.monotonic() + wait_seconds if wait_seconds is not None else None
    while data_folder.is_in_use(folder):
        if until is not None and time.monotonic() >= until:
            sys.exit(_say(AgentExit(Status.NOT_YET, "Its jobs have not ended; it still drains.")))
        time.sleep(DRAIN_LOOK_SECONDS)
    click.echo("Drained: the agent has finished its jobs and ended.")


def _first_exit(group: BaseExceptionGroup[BaseException]) -> AgentExit | None:
    for error in group.exceptions:
        found = _first_exit(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, AgentExit):
            return found
    return None


def _say(reason: AgentExit) -> int:
    click.echo(f"robot-agent: {reason}", err=True)
    return int(reason.status)


if __name__ == "__main__":
    main(prog_name="robot-agent")
