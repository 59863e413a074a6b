"""Agents that are started as root and run scripts as other accounts; and what such tests need."""

import asyncio
import functools
import os
import pwd
import shutil
import site
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("nobody", "games", "daemon", "mail")


def accounts():
    """Names of accounts that every system has, and that are not root's."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return [name for name in NAMES if name in known]


@functools.cache
def reachable_python():
    """A Python of our version that other accounts can start; None if there is none."""
    version = f"python3.{sys.version_info.minor}"
    for path in (sys._base_executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            started = subprocess.run([path, "-c", ""], user="nobody", cwd="/", check=False)
        except OSError:
            continue
        if started.returncode == 0:
            return path
    return None


def why_not():
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root can run scripts as other accounts"
    if len(accounts()) < 2:
        return "there are no two other accounts"
    if reachable_python() is None:
        return "no Python is here that other accounts can start"
    return ""


@contextmanager
def a_passable_folder():
    """A folder that other accounts can pass; pytest's own is closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="runwright-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def environment(**variables):
    """As of an installation that every account can read."""
    paths = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    return {**os.environ, "PYTHONPATH": paths, "PATH": path, **variables}


@asynccontextmanager
async def an_agent(
    url, data, run_as, *options, key="good-key", name="bert", umask=0o022, user=None, **variables
):
    program = await asyncio.create_subprocess_exec(
        reachable_python(), "-m", "robot_agent", "run", "--url", url, "--name", name, "--data",
        str(data), *(["--run-as", run_as] if run_as else []), *options, umask=umask, user=user,
        stderr=asyncio.subprocess.PIPE, env=environment(RUNWRIGHT_MACHINE_KEY=key, **variables),
    )  # fmt: skip
    program.said = ""

    async def read():
        async for line in program.stderr:
            program.said += line.decode()

    reading = asyncio.create_task(read())
    try:
        yield program
    finally:
        if program.returncode is None:
            program.terminate()
            try:
                async with asyncio.timeout(15):
                    await program.wait()
            except TimeoutError:
                program.kill()
        await program.wait()
        await reading
