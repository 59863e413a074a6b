"""Builds one environment in a folder, as the package's files say."""

import asyncio
import logging
import sys
import venv
from importlib import resources
from pathlib import Path

from robot_agent.environments import pythons, uv
from robot_agent.environments.needs import Kind, Needs

PTH = "zzz_runwright.pth"  # read last: what the package brings is found first

log = logging.getLogger(__name__)


def python_of(environment: Path) -> Path:
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


async def build(
    folder: Path, needs: Needs, work: Path, python: Path, *, place: Path, runtime: Path, cache: Path
) -> None:
    """Make `folder`, which is to be moved to `place` then. `UvFailed` with uv's own words.

    Off line, what uv has in its cache is used.
    """
    if python == pythons.OWN:
        # A moment, where uv would ask the Python first.
        await asyncio.to_thread(_bare, folder, place)
    else:
        await uv.run("venv", "--no-project", "--relocatable", "--python", str(python), str(folder),
                     cwd=work, cache=cache)  # fmt: skip
    if command := _command(needs, work, python_of(folder)):
        try:
            await _install(command, folder, work, cache)
        except uv.UvFailed as error:
            if not await _installs_off_line(command, folder, work, cache):
                raise
            log.warning("An environment was built from uv's cache alone, as uv says: %s", error)
    _add_runtime(folder, runtime)


def _bare(folder: Path, place: Path) -> None:
    """As `uv venv --relocatable` makes it, for uv to install into."""
    venv.EnvBuilder(symlinks=sys.platform != "win32").create(folder)
    for script in python_of(folder).parent.glob("[aA]ctivate*"):
        text = script.read_text(encoding="utf-8")
        script.write_text(text.replace(str(folder), str(place)), encoding="utf-8")
    with (folder / "pyvenv.cfg").open("a", encoding="utf-8") as settings:
        settings.write("relocatable = true\n")


def _command(needs: Needs, work: Path, python: Path) -> list[str]:
    into = ["--python", str(python)]  # what is imported is compiled then, once: less than all
    match needs.kind:
        case Kind.UV_LOCK:
            return ["sync", "--frozen", "--no-dev", "--no-install-project", *into]
        case Kind.PYLOCK:
            return ["pip", "sync", *into, needs.file]
        case Kind.REQUIREMENTS:
            has_hashes = "--hash" in (work / needs.file).read_text(encoding="utf-8-sig")
            hashes = ["--require-hashes"] if has_hashes else []
            return ["pip", "install", *hashes, *into, "-r", needs.file]
        case Kind.SCRIPT | Kind.PROJECT:
            return ["pip", "install", *into, "-r", needs.file]
    return []


async def _install(command: list[str], folder: Path, work: Path, cache: Path) -> None:
    await uv.run(*command, cwd=work, cache=cache, UV_PROJECT_ENVIRONMENT=str(folder))


async def _installs_off_line(command: list[str], folder: Path, work: Path, cache: Path) -> bool:
    try:
        await _install([*command, "--offline"], folder, work, cache)
    except uv.UvFailed as error:
        log.info("Nor does uv's cache have all of it: %s", error)
        return False
    return True


def _add_runtime(folder: Path, runtime: Path) -> None:
    """`sdk.runtime` is found there, after all that the package brings."""
    pattern = "Lib/site-packages" if sys.platform == "win32" else "lib/python*/site-packages"
    for site_packages in folder.glob(pattern):
        (site_packages / PTH).write_text(f"{runtime}\n", encoding="utf-8")


def write_runtime(runtime: Path) -> None:
    """Only what scripts import: nothing else of ours, and nothing that we need, is in their way."""
    source = resources.files("sdk")
    (runtime / "sdk" / "runtime").mkdir(parents=True, exist_ok=True)
    files = [(name, source / name) for name in ("__init__.py", "strict_json.py")]
    files += [(f"runtime/{file.name}", file) for file in (source / "runtime").iterdir()]
    for name, file in files:
        if name.endswith(".py"):
            (runtime / "sdk" / name).write_bytes(file.read_bytes())
