"""`robot-agent doctor`: what stands in the way of an agent on this machine."""

import asyncio
import os
import platform
import sys
from collections.abc import Iterator

import click
import msgspec

from robot_agent import checks, config
from robot_agent.checks import Finding, Mark
from robot_agent.exits import AgentExit
from robot_agent.link import Link
from robot_agent.machine_info import Machine
from robot_agent.pulse import Pulse
from robot_agent.session import session
from sdk.escapes import clean, clean_json
from sdk.retry import GaveUp
from sdk.transport import Transport


@click.command("doctor")
@click.option("--register", is_flag=True, help="Also register, to see if the key is accepted.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(register: bool, as_json: bool, **options: str | None) -> None:
    """Check this machine and the way to the server. Changes nothing, unless --register.

    Takes the options of `run`. Exit status 1 if something stands in the way.
    """
    findings = list(look(options, register=register))
    if as_json:
        click.echo(clean_json(msgspec.json.encode(findings).decode()))
    else:
        for found in findings:
            click.echo(clean(f"{found.mark:8}{found.about}: {found.sentence}"))
    sys.exit(int(any(found.mark is Mark.FAILED for found in findings)))


def look(options: dict[str, str | None], *, register: bool) -> Iterator[Finding]:
    yield checks.python()
    yield checks.uv_program()
    yield checks.masking()
    try:
        settings = config.load(options, os.environ, default_name=platform.node() or "robot")
    except AgentExit as error:
        yield Finding(Mark.FAILED, "Options", str(error))
        return
    yield checks.data(settings.data)
    yield checks.disk(settings.data, settings.min_free_mib)
    yield from network(settings)
    try:
        key = config.read_machine_key(settings, os.environ)
    except AgentExit as error:
        yield Finding(Mark.FAILED, "Machine key", str(error))
        return
    yield checks.key_file(settings.machine_key_file)
    if register:
        yield asyncio.run(accepted(settings, key))


def network(settings: config.Config) -> Iterator[Finding]:
    for found in (checks.certificate_file(settings.ca_file), checks.plain(settings)):
        if found is not None:
            yield found
    yield checks.proxy(settings.url)
    answer = asyncio.run(checks.server(settings))
    yield answer
    if answer.mark is Mark.OK:
        yield from checks.shown(settings)


async def accepted(settings: config.Config, key: str) -> Finding:
    """Registering is the one question that a key is asked with. It ends no agent that is at work:
    the token that it has is good until the new one is used, and that is thrown away."""
    machine = Machine(settings.data if settings.data.is_dir() else None, is_agents=False)
    await asyncio.to_thread(machine.look)
    async with session(settings.url, settings.ca_file) as opened:
        transport = Transport(opened, settings.url)
        once = asyncio.Event()
        once.set()
        for name in settings.robot_names:
            try:
                await Link(transport, name, key, "doctor", Pulse(), machine).register(once)
            except AgentExit as refused:
                return Finding(Mark.FAILED, "Machine key", str(refused))
            except GaveUp as gave_up:
                return Finding(Mark.FAILED, "Machine key", str(gave_up.__cause__))
    return Finding(Mark.OK, "Machine key", "The server accepts it.")
