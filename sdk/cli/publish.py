"""`sdk publish`: pack, ask, upload, and make or change the processes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import click

from sdk import checking, publishing
from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import Exit, Failure, as_json, is_watched, say, show
from sdk.publishing import WAITS, Change


@click.command("publish")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@profile_option
@as_json
@click.pass_context
def command(context: click.Context, folder: Path, profile: str | None, as_json: bool) -> None:
    """Publish the package in FOLDER, with the processes its pyproject.toml names.

    Exits with 6 if a process that reads secrets waits for somebody to release the change.
    """
    found = checking.check(folder)
    if mistakes := [mistake for mistake in found if not mistake.is_warning]:
        raise Failure("\n".join(map(str, mistakes)))
    for warning in found:
        say(f"Warning: {warning}")
    archive = publishing.pack(folder, None)
    with _bar(archive.stat().st_size) as told:
        published = talk(profile, lambda c: publishing.publish(c, folder, archive, told))
    package = published.package
    lines = [f"Published {package.name} {package.version} ({package.size_bytes:,} bytes)."]
    lines += [f"Process {c.process.name} {c.did}: {_script(c)}" for c in published.changes]
    answer = {"package": package, "processes": [change._asdict() for change in published.changes]}
    show(answer, "\n".join(lines), as_json=as_json)
    waiting = [change for change in published.changes if change.did == WAITS]
    for change in published.changes:
        for sentence in publishing.ungranted(change.process, change.secrets):
            say(sentence)
    for change in waiting:
        say(_waits(change))
    if waiting:
        context.exit(Exit.WAITS)
    if published.changes:
        say(f"Run it:  sdk start {published.changes[0].process.name} --follow")
    else:
        say("No process runs it yet: name one in pyproject.toml, [tool.runwright.processes].")


def _script(change: Change) -> str:
    proposal = change.process.proposal
    if change.did == WAITS and proposal is not None:
        return str(proposal.changes.get("script_path", change.process.script_path))
    return change.process.script_path


def _waits(change: Change) -> str:
    reads = ", ".join(s.name for s in change.secrets if s.granted and not s.any_process)
    return (
        f"Process {change.process.name} goes on as it is: it may read {reads}, so somebody with "
        f"the permission assets:edit has to release the change:  "
        f"sdk release {quote(change.process.name)}"
    )


@contextmanager
def _bar(size: int) -> Iterator[Callable[[int], object]]:
    """What is to be told how many bytes are sent; a bar, if anybody watches."""
    if not is_watched():
        yield lambda _sent: None
        return
    with click.progressbar(length=size, label="Uploading", file=sys.stderr) as bar:

        def told(sent: int) -> None:
            bar.update(sent - bar.pos)

        yield told
