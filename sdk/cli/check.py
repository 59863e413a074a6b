"""`sdk check`: everything that is wrong with a package, before anybody else finds out."""

from pathlib import Path

import click
from msgspec import UnsetType

from sdk import checking, project
from sdk.cli.connection import find, talk
from sdk.cli.terminal import Exit, Failure, as_json, say, show
from sdk.client import Client
from sdk.errors import NotAnOrchestrator, Refused, Unreachable
from sdk.publishing import find_process, ungranted


@click.command("check")
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default="."
)
@as_json
@click.pass_context
def command(context: click.Context, folder: Path, as_json: bool) -> None:
    """Check the package in FOLDER without running any of it.

    If you are signed in, it also warns of secrets that the package asks for and may not read.
    """
    mistakes = checking.check(folder)
    text = "\n".join(map(str, mistakes))
    if as_json or mistakes:
        show([mistake._asdict() for mistake in mistakes], text, as_json=as_json)
    if not all(mistake.is_warning for mistake in mistakes):
        context.exit(Exit.ERROR)
    _warn_of_secrets(folder)
    say("No mistakes, only warnings." if mistakes else "Nothing is wrong with it.")


def _warn_of_secrets(folder: Path) -> None:
    wanted = {
        name: plan.secrets
        for name, plan in project.processes(folder).items()
        if not isinstance(plan.secrets, UnsetType) and plan.secrets
    }
    if not wanted:
        return
    try:
        find(None)
        sentences = talk(None, lambda client: _missing(client, wanted))
    except (Failure, Refused, Unreachable, NotAnOrchestrator) as error:
        say(f"Whether its secrets are granted is not known: {error}")
        return
    for sentence in sentences:
        say(sentence)


async def _missing(client: Client, wanted: dict[str, list[str]]) -> list[str]:
    sentences = []
    for name, secrets in wanted.items():
        if (process := await find_process(client, name)) is not None:
            asks = [secret.casefold() for secret in secrets]
            found = await client.list_process_secrets(process.id)
            sentences += ungranted(process, [s for s in found if s.name.casefold() in asks])
    return sentences
