"""Builds the environment of a package that brings no code to install, as its files say."""

from pathlib import Path
from typing import NamedTuple

from robot_agent.environments import ownership, venvs
from robot_agent.environments.install import install
from sdk.running.needs import Kind, Needs


async def build(
    folder: Path, needs: Needs, work: Path, python: Path,
    *, place: Path, runtime: Path, cache: Path, may_build: bool = True,
) -> None:  # fmt: skip
    """Make `folder`, which is to be moved to `place` then. `UvFailed` with uv's own words.

    Without `may_build`, nothing that is installed is run, or built from its source.
    """
    await venvs.create(folder, work, python, place=place, cache=cache)
    with ownership.temporary("needs-", cache.parent) as room:
        if command := _command(needs, room, venvs.python_of(folder)):
            await install(command, folder, work, cache, may_build=may_build)
    venvs.add_runtime(folder, runtime)


def _command(needs: Needs, room: Path, python: Path) -> list[str]:
    into = ["--python", str(python)]  # what is imported is compiled then, once: less than all
    match needs.kind:
        case Kind.UV_LOCK:
            return ["sync", "--frozen", "--no-dev", "--no-install-project", "--no-editable", *into]
        case Kind.PYLOCK:
            return ["pip", "sync", *into, needs.file]
        case Kind.NOTHING:
            return []
    return ["pip", "install", *into, *inputs(needs, room).arguments]


class Inputs(NamedTuple):
    """What uv reads the needs from."""

    sources: list[str]
    has_hashes: bool = False
    written: tuple[Path, ...] = ()

    @property
    def arguments(self) -> list[str]:
        return ["-r", *self.sources, *(["--require-hashes"] if self.has_hashes else [])]


@ownership.as_helper
def inputs(needs: Needs, room: Path) -> Inputs:
    """Written to `room` where they are not the package's own file."""
    if not needs.text:
        return Inputs([needs.file])
    file = room / ("runwright-needs.py" if needs.kind is Kind.SCRIPT else "runwright-needs.txt")
    file.write_text(needs.text, encoding="utf-8")
    if not needs.constraints:
        return Inputs([str(file)], needs.has_hashes, (file,))
    constraints = room / "runwright-constraints.txt"
    constraints.write_text(needs.constraints, encoding="utf-8")
    sources = [str(file), "-c", str(constraints)]
    return Inputs(sources, needs.has_hashes, (file, constraints))
