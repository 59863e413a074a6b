"""A small environment for what one package brings, on top of one that packages share.

It is an environment of its own, with its own Python, programs and `site-packages`, which are found
before the shared ones. It costs what is in it, and no copy of what it shares.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from robot_agent.environments import ownership, pylock, venvs
from robot_agent.environments.brought import Room, Tools
from robot_agent.environments.folders import NOTE, READY
from robot_agent.environments.install import install
from robot_agent.environments.pylock import Entry

# The .pth files of a package may import what it shares, and add to the path before it.
FIRST = "0000_runwright.pth"
LAST = "zzzz_runwright.pth"

NOT_LINKED = {READY, ".lock", ".gitignore", "CACHEDIR.TAG"}


async def fill(folder: Path, local: list[Entry], room: Room, tools: Tools) -> None:
    """Install the files of a package itself. Nothing is fetched, nor kept in uv's cache, where
    another package would find it."""
    lock = room.folder / "pylock.local.toml"
    await asyncio.to_thread(pylock.write, lock, local)
    command = ["pip", "install", "--no-cache", "--offline", "--no-deps",
               "--python", str(venvs.python_of(folder)), "-r", str(lock)]  # fmt: skip
    await install(command, folder, room.package, tools.cache, may_build=False)


def _objection(folder: Path, shared: Path) -> str | None:
    if sys.platform == "win32" and _beside_packages(shared):
        return "what it needs has data files, to which Windows has no links"
    if found := next(_data_files(folder), None):
        return f"{found} is neither a module nor an entry point"
    if both := sorted(_names(folder) & _names(shared)):
        return f"what it needs has a top-level name {both[0]!r} as well"
    return None


@ownership.as_helper
def put_on(folder: Path, shared: Path) -> str | None:
    """Let `folder` see all that `shared` has, after its own; or return why that would not work."""
    if (objection := _objection(folder, shared)) is not None:
        return objection
    _link_missing(shared, folder)
    _add_programs(venvs.programs_of(shared), venvs.programs_of(folder))
    packages, below = venvs.packages_of(folder), str(venvs.packages_of(shared))
    first = f"import sys; sys.path.append({below!r})\n"
    last = f"import site, sys; sys.path.remove({below!r}); site.addsitedir({below!r})\n"
    (packages / FIRST).write_text(first, encoding="utf-8")
    (packages / LAST).write_text(last, encoding="utf-8")
    (folder / NOTE).write_text(shared.name, encoding="utf-8")
    return None


def _data_files(folder: Path) -> Iterator[str]:
    """Those of its distributions that are neither modules nor entry points."""
    packages, programs = venvs.packages_of(folder), venvs.programs_of(folder)
    for distribution in distributions(path=[str(packages)]):
        scripts = {entry.name for entry in distribution.entry_points if "_scripts" in entry.group}
        for file in distribution.files or []:
            place = Path(os.path.normpath(packages / file))
            is_script = place.parent == programs and {place.name, place.stem} & scripts
            if not place.is_relative_to(packages) and not is_script:
                yield str(place.relative_to(folder))


def _names(folder: Path) -> set[str]:
    """What can be imported, by top-level name."""
    names = {path.name for path in venvs.packages_of(folder).iterdir()}
    return {
        name.partition(".")[0].casefold()
        for name in names
        if not name.endswith((".dist-info", ".pth")) and name != "__pycache__"
    } - {"_virtualenv"}


def _beside_packages(shared: Path) -> bool:
    known = {"Scripts", "Lib", "pyvenv.cfg", "Include", *NOT_LINKED}
    return any(path.name not in known for path in shared.iterdir())


def _link_missing(shared: Path, folder: Path) -> None:
    """Data files and headers of what is shared, which programs look for below their prefix."""
    if sys.platform == "win32":
        return
    apart = (venvs.packages_of(shared), venvs.programs_of(shared))
    _link_below(shared, folder, apart)


def _link_below(path: Path, own: Path, apart: tuple[Path, ...]) -> None:
    for inner in path.iterdir():
        if inner in apart or inner.name in NOT_LINKED:
            continue
        place = own / inner.name
        if not os.path.lexists(place):
            place.symlink_to(inner)
        elif inner.is_dir() and not inner.is_symlink() and not place.is_symlink():
            _link_below(inner, place, apart)


def _add_programs(shared: Path, own: Path) -> None:
    """Scripts are copied, as they start the Python that lies beside them; other programs, which
    may be large, are linked."""
    for program in shared.iterdir():
        place = own / program.name
        if os.path.lexists(place) or program.is_dir():
            continue
        with program.open("rb") as opened:
            is_script = opened.read(2) == b"#!"
        if is_script or sys.platform == "win32":
            shutil.copy2(program, place)
        else:
            place.symlink_to(program.resolve())
