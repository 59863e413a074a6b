"""`robot-agent service`: install | uninstall | start | stop | status."""

import asyncio
import os
import sys
from pathlib import Path

import click
import msgspec

from robot_agent import checks, config, doctor, endpoint, status
from robot_agent.checks import Finding, Mark
from robot_agent.service import install as installing
from robot_agent.status import NOT_RUNNING
from sdk.escapes import clean, clean_json

SERVICE = "runwright-agent"
called = click.option("--service", default=SERVICE, help=f"Its name; {SERVICE}.")
for_programs = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.group("service")
def command() -> None:
    """Let the system start the agent, and start it anew should it fail."""


@command.command()
@called
@click.option("--user", help="Whose rights it has; `runwright`, who is made if need be.")
@click.option(
    "--desktop/--no-desktop",
    default=sys.platform == "win32",
    help="Start when its user signs in, with their desktop; the default on Windows.",
)
@click.option("--wait-seconds", type=float, default=60, help="How long to wait for the server; 60.")
@for_programs
def install(
    service: str,
    user: str | None,
    desktop: bool,
    wait_seconds: float,
    as_json: bool,
    **options: str | None,
) -> None:
    """Install the service and start it; done when the server has seen its robots.

    Takes the options of `run`, and what they mean goes into the service. The key is copied.
    """
    settings = installing.settings_of(options)
    key = config.read_machine_key(settings, os.environ)
    by = installing.manager()
    plan = installing.plan_of(settings, by, service, user, desktop)
    settings = msgspec.structs.replace(settings, data=Path(plan.data))

    def look() -> list[Finding]:
        found = [checks.disk(settings.data, settings.min_free_mib), *doctor.network(settings)]
        if all(one.mark is not Mark.FAILED for one in found):
            found.append(asyncio.run(doctor.accepted(settings, key)))
        for one in found:
            if one.mark is Mark.WARNING:
                click.echo(clean(f"Warning: {one.about}: {one.sentence}"), err=True)
        return found

    seen = installing.install(by, plan, settings, key, look=look, wait_seconds=wait_seconds)
    names = ", ".join(robot.name for robot in seen.robots)
    said = f"Installed: {service} works, and {seen.url} has heard {names}."
    _say(said, as_json, {"service": service, "installed": True, "agent": msgspec.to_builtins(seen)})


@command.command()
@called
@for_programs
def uninstall(service: str, as_json: bool) -> None:
    """Let its jobs end, and remove the service. Its data stays, as do the server's robots."""
    installing.manager().uninstall(service)
    _say(f"Removed: {service}.", as_json, {"service": service, "installed": False})


@command.command()
@called
@for_programs
def start(service: str, as_json: bool) -> None:
    """Start the service."""
    installing.manager().start(service)
    _say(f"Started: {service}.", as_json, {"service": service, "started": True})


@command.command()
@called
@for_programs
def stop(service: str, as_json: bool) -> None:
    """Let its jobs end, and return when it has stopped."""
    installing.manager().stop(service)
    _say(f"Stopped: {service}.", as_json, {"service": service, "stopped": True})


@command.command("status")
@called
@click.option("--health-port", type=int, default=endpoint.SERVICE_PORT, help="Its port.")
@for_programs
def tell(service: str, health_port: int, as_json: bool) -> None:
    """Say how the service stands. Exit status 0 if it runs, 3 if it does not."""
    state = installing.manager().state(service)
    agent = status.ask(health_port) if state.running else None
    said = f"{state.sentence}\n{agent.summary}" if agent else state.sentence
    told = msgspec.to_builtins(state) | {"agent": msgspec.to_builtins(agent)}
    _say(said, as_json, told)
    sys.exit(0 if state.running else NOT_RUNNING)


def _say(sentence: str, as_json: bool, told: dict[str, object]) -> None:
    click.echo(clean_json(msgspec.json.encode(told).decode()) if as_json else clean(sentence))
