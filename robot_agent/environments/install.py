"""Lets uv install into an environment, and says what uv may run for that."""

import logging
from pathlib import Path

from robot_agent.environments import uv, venvs
from robot_agent.environments.uv import UvFailed

# Nothing of a package is run: no build system of an sdist, a folder or a repository (which is not
# even fetched), and no Python that would read the .pth files of what was just installed.
RUN_NOTHING = ("--no-build", "--no-compile-bytecode")
FETCH_NO_REPOSITORY = {"GIT_ALLOW_PROTOCOL": "none"}

log = logging.getLogger(__name__)


async def install(
    command: list[str], folder: Path, work: Path, cache: Path, *, may_build: bool
) -> None:
    """Run a command of uv that installs into `folder`. Off line, what uv has in its cache is used.

    Raises UvFailed, with the words of the first try.
    """
    if not may_build:
        command = [*command, *RUN_NOTHING]
    variables = {"UV_PROJECT_ENVIRONMENT": str(folder)}
    variables |= {} if may_build else FETCH_NO_REPOSITORY
    try:
        await uv.run(*command, cwd=work, cache=cache, **variables)
    except UvFailed as error:
        if not venvs.is_empty(folder):
            raise
        try:
            await uv.run(*command, "--offline", cwd=work, cache=cache, **variables)
        except UvFailed as again:
            log.info("Nor does uv's cache have all of it: %s", again)
            raise error from again
        log.warning("An environment was built from uv's cache alone, as uv says: %s", error)
