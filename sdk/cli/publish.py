"""`sdk publish`: pack, ask, upload, and make or change the processes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sdk import checking, publishing
from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import Failure, as_json, is_watched, say, show


@click.command("publish")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@profile_option
@as_json
def command(folder: Path, profile: str | None, as_json: bool) -> None:
    """Publish the package in FOLDER, with the processes its pyproject.toml names."""
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
    lines += [f"Process {p.name} {did}: {p.script_path}" for p, did in published.changes]
    answer = {
        "package": package,
        "processes": [{"did": did, "process": process} for process, did in published.changes],
    }
    show(answer, "\n".join(lines), as_json=as_json)
    if published.changes:
        say(f"Run it:  sdk start {published.changes[0].process.name} --follow")
    else:
        say("No process runs it yet: name one in pyproject.toml, [tool.runwright.processes].")


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
