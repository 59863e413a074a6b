"""Finds the Python that a package asks for."""

import os
import platform
import re
import sys
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from robot_agent.environments import uv
from robot_agent.exits import JobFailed
from sdk.contract.jobs import Reason

# Not what uv takes as well: the name or path of a program, which it would start.
_SPECIFIER = re.compile(r"[\d<>=!~][\w.,<>=!~*+\s]*")

OWN = Path(getattr(sys, "_base_executable", sys.executable)).resolve()


async def find(specifier: str, cache: Path) -> Path:
    """The agent's own Python if that fits, else another one on this machine.

    JobFailed(environment_failed) if there is none that fits.
    """
    if not specifier or _fits(specifier):
        return OWN
    if not _SPECIFIER.fullmatch(specifier):
        raise JobFailed(
            Reason.ENVIRONMENT_FAILED,
            f"The package asks for Python {specifier!r}, which is no version, such as '>=3.12'.",
        )
    ours_first = os.pathsep.join([str(OWN.parent), os.environ.get("PATH", "")])
    arguments = ("python", "find", "--no-project", "--python-preference", "system", specifier)
    try:
        found = await uv.run(*arguments, cwd=cache.parent, cache=cache, PATH=ours_first)
    except uv.UvFailed as error:
        version = ".".join(map(str, sys.version_info[:3]))
        raise JobFailed(
            Reason.ENVIRONMENT_FAILED,
            f"The package asks for Python {specifier!r}. This robot works with {version}, and its "
            f"machine has no other that fits: install one, or send the job elsewhere. uv: {error}",
        ) from error
    return Path(found.strip())


def _fits(specifier: str) -> bool:
    """Whether ours certainly does, as uv would find out in a tenth of a second."""
    try:
        return SpecifierSet(specifier).contains(platform.python_version(), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False  # uv knows other words, too
