"""`sdk release`: apply a change that waits because its process reads secrets."""

import json
from shlex import quote
from typing import Any

import click

from sdk.cli.connection import profile_option, talk
from sdk.cli.finding import process_named
from sdk.cli.terminal import Exit, Failure, as_json, say, show
from sdk.client import Client
from sdk.contract.processes import Process, ProcessProposal, ProcessRelease


@click.command("release")
@click.argument("process")
@click.option("--yes", is_flag=True, help="Apply the change; without it, it is only shown.")
@profile_option
@as_json
@click.pass_context
def command(
    context: click.Context, process: str, yes: bool, profile: str | None, as_json: bool
) -> None:
    """Show the change of PROCESS that waits, and apply it."""

    async def review(client: Client) -> Process:
        found = await process_named(client, process)
        if found.proposal is None:
            raise Failure(f"No change of process {found.name} waits to be released.")
        package = await client.get_package(found.package_id)
        reads = [s.name for s in await client.list_process_secrets(found.id) if s.granted]
        say(f"Process {found.name} may read: {', '.join(reads) or 'no secrets'}.")
        say("\n".join(_difference(found, f"{package.name} {package.version}", found.proposal)))
        if not yes:
            return found
        return await client.release_process_change(
            found.id, ProcessRelease(proposed_at=found.proposal.proposed_at)
        )

    changed = talk(profile, review)
    if yes:
        text = f"Process {changed.name} is in version {changed.version} now."
    else:
        text = f"Apply it:  sdk release {quote(changed.name)} --yes"
    show(changed, text, as_json=as_json)
    if not yes:
        context.exit(Exit.WAITS)


def _difference(process: Process, package: str, proposal: ProcessProposal) -> list[str]:
    lines = [f"{proposal.proposed_by} proposed on {proposal.proposed_at:%Y-%m-%d %H:%M} UTC:"]
    for field, new in sorted(proposal.changes.items()):
        old: Any = getattr(process, field, None)
        if field == "package_id":
            field, old, new = (
                "package",
                package,
                f"{proposal.package_name} {proposal.package_version}",
            )
        if old != new:
            lines += [f"- {field}: {_shown(old)}", f"+ {field}: {_shown(new)}"]
    return lines


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
