"""Virtual environments: an empty one, where its parts are, and `sdk.runtime` for all of them."""

import asyncio
import os
import sys
import venv
from importlib import resources
from pathlib import Path

from robot_agent.environments import pythons, uv

PTH = "zzz_runwright.pth"  # read last: what the package brings is found first


def python_of(environment: Path) -> Path:
    return programs_of(environment) / ("python.exe" if sys.platform == "win32" else "python")


def programs_of(environment: Path) -> Path:
    return environment / ("Scripts" if sys.platform == "win32" else "bin")


def packages_of(environment: Path) -> Path:
    """Its `site-packages`."""
    if sys.platform == "win32":
        return environment / "Lib" / "site-packages"
    [folder] = (environment / "lib").glob("python*/site-packages")
    return folder


def version_of(environment: Path) -> str:
    """The version of its Python, which is not started for that."""
    for line in (environment / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() in ("version", "version_info"):
            return value.strip()
    raise ValueError(f"{environment} does not say which Python it is of.")


async def create(folder: Path, work: Path, python: Path, *, place: Path, cache: Path) -> None:
    """Make an empty environment in `folder`, which will be moved to `place`."""
    if python == pythons.OWN:
        # A moment, where uv would ask the Python first.
        await asyncio.to_thread(_bare, folder, place)
    else:
        await uv.run("venv", "--no-project", "--relocatable", "--python", str(python), str(folder),
                     cwd=work, cache=cache)  # fmt: skip


def _bare(folder: Path, place: Path) -> None:
    """As `uv venv --relocatable` makes it, for uv to install into."""
    venv.EnvBuilder(symlinks=sys.platform != "win32").create(folder)
    for script in python_of(folder).parent.glob("[aA]ctivate*"):
        text = script.read_text(encoding="utf-8")
        script.write_text(text.replace(str(folder), str(place)), encoding="utf-8")
    with (folder / "pyvenv.cfg").open("a", encoding="utf-8") as settings:
        settings.write("relocatable = true\n")


def add_runtime(folder: Path, runtime: Path) -> None:
    """`sdk.runtime` is found there, after all that the package brings."""
    (packages_of(folder) / PTH).write_text(f"{runtime}\n", encoding="utf-8")


def write_runtime(runtime: Path) -> None:
    """Only what scripts import: nothing else of ours, and nothing that we need, is in their way."""
    source = resources.files("sdk")
    (runtime / "sdk" / "runtime").mkdir(parents=True, exist_ok=True)
    files = [(name, source / name) for name in ("__init__.py", "strict_json.py")]
    files += [(f"runtime/{file.name}", file) for file in (source / "runtime").iterdir()]
    for name, file in files:
        if name.endswith(".py"):
            (runtime / "sdk" / name).write_bytes(file.read_bytes())


def is_empty(environment: Path) -> bool:
    """Whether nothing is installed in it, so that its Python runs nobody's code at its start."""
    names = os.listdir(packages_of(environment))  # noqa: PTH208 -- names alone
    return all(name.startswith("_virtualenv.") for name in names)
