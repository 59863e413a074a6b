"""The program `robot-agent`: reads its options, runs the agent, says how it ended."""

import asyncio
import logging
import os
import platform
import sys

import click

from robot_agent import config, data_folder
from robot_agent.agent import Agent
from robot_agent.exits import AgentExit, Status

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
@click.option("--config", help="TOML file with the same settings. [RUNWRIGHT_CONFIG]")
def run(**options: str | None) -> None:
    """Register with the server and work until stopped.

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
    with data_folder.opened(settings.data) as folder:
        asyncio.run(_live(settings, machine_key, folder))


async def _live(settings: config.Config, machine_key: str, folder: data_folder.DataFolder) -> None:
    await Agent(settings, machine_key, folder).run()  # made here: its events belong to this loop


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
