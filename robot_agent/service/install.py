"""Makes the agent a service: looks first, then writes and starts it, then waits for the server."""

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from robot_agent import config, endpoint, status
from robot_agent.checks import Finding, Mark
from robot_agent.exits import MEANINGS, AgentExit, Status
from robot_agent.service import tools
from robot_agent.service.plan import Plan
from robot_agent.service.tools import Manager
from robot_agent.standing import Standing

LOOK_SECONDS = 0.5
ENDED_LOOKS = 4  # so often in a row it must be found ended: at first one may see its last life
FINISH_MINUTES = 10
NOT_ARGUMENTS = frozenset(
    {"machine_key_file", "machine_key_fd", "data", "finish_minutes", "health_port"}
)
HANDED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")


def manager() -> Manager:
    if sys.platform == "win32":
        from robot_agent.service import windows

        return windows
    if sys.platform == "darwin":
        from robot_agent.service import launchd

        return launchd
    from robot_agent.service import systemd

    return systemd


def settings_of(options: Mapping[str, str | None]) -> config.Config:
    settings = config.load(options, os.environ, default_name=platform.node() or "robot")
    return msgspec.structs.replace(
        settings,
        health_port=settings.health_port or endpoint.SERVICE_PORT,
        finish_minutes=settings.finish_minutes or FINISH_MINUTES,
        ca_file=settings.ca_file and settings.ca_file.absolute(),
    )


def plan_of(
    settings: config.Config, by: Manager, service: str, user: str | None, needs_desktop: bool
) -> Plan:
    if settings.run_as and user not in (None, "root"):
        raise tools.failed("--run-as needs an agent of root: leave --user out.")
    places = by.places(service, needs_desktop)
    is_default = settings.data == config.default_data()
    return Plan(
        service=service,
        python=Path(sys.executable),
        arguments=arguments_of(settings),
        data=places.data if is_default else settings.data.absolute(),
        key=places.key,
        user=user or ("root" if settings.run_as else places.user),
        is_passable=bool(settings.run_as),
        environment=places.environment,
        variables={n: v for n, v in os.environ.items() if n.upper() in HANDED_ON and v},
        finish_minutes=settings.finish_minutes,
        needs_desktop=needs_desktop,
        ca_file=settings.ca_file,
    )


def arguments_of(settings: config.Config) -> tuple[str, ...]:
    """The options that say the same, wherever it was said."""
    defaults = config.Config(url="", name="-", data=settings.data)
    arguments: list[str] = []
    for field in config.Config.__struct_fields__:
        value = getattr(settings, field)
        if field not in NOT_ARGUMENTS and value != getattr(defaults, field):
            option = "--" + field.replace("_", "-")
            arguments += [option] if value is True else [option, str(value)]
    return (*arguments, "--health-port", str(settings.health_port))


def install(
    by: Manager,
    plan: Plan,
    settings: config.Config,
    key: str,
    *,
    look: Callable[[], list[Finding]],
    wait_seconds: float,
) -> Standing:
    """Returns when the server has seen every robot of the service; AgentExit says what is wrong."""
    by.may(plan)
    for found in look():
        if found.mark is Mark.FAILED:
            raise AgentExit(Status.CONFIG, f"{found.about}: {found.sentence}")
    before = status.ask(settings.health_port)
    if before is not None and not by.state(plan.service).running:
        raise tools.failed(
            f"Another agent, process {before.pid}, already answers at port {settings.health_port}: "
            "stop it, or choose another --health-port."
        )
    by.prepare(plan)
    by.install(plan, key)
    return _seen(by, plan, settings, before.pid if before else None, wait_seconds)


def _seen(
    by: Manager, plan: Plan, settings: config.Config, earlier: int | None, wait_seconds: float
) -> Standing:
    """The agent knows when the server has answered its beats; nobody else could tell it that."""
    names, until, ended = set(settings.robot_names), time.monotonic() + wait_seconds, 0
    while True:
        standing = status.ask(settings.health_port)
        if standing is not None and standing.pid != earlier:
            if names <= {robot.name for robot in standing.robots if robot.acknowledged_at}:
                return standing
            ended = 0
        else:
            ended = ended + 1 if not by.state(plan.service).running else 0
        if ended >= ENDED_LOOKS:
            raise _ended(by, plan.service)
        if time.monotonic() >= until:
            said = standing.summary if standing else by.state(plan.service).sentence
            raise AgentExit(
                Status.NOT_YET,
                f"{plan.service} is installed and started, but after {wait_seconds:g} s the server "
                f"has not seen {', '.join(sorted(names))}. It goes on trying. {said}",
            )
        time.sleep(LOOK_SECONDS)


def _ended(by: Manager, service: str) -> AgentExit:
    state = by.state(service)
    number = state.exit_status or 0
    meaning = next((said for known, said in MEANINGS.items() if known == number), "see its log")
    words = by.last_words(service)
    return AgentExit(
        Status(number) if number in MEANINGS else Status.SOFTWARE,
        f"{service} is installed, but ended with status {number}: {meaning}."
        + (f"\n{words}" if words else ""),
    )
