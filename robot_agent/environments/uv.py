"""The program uv: https://docs.astral.sh/uv/. It comes with the extra `agent`."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from robot_agent.exits import JobFailed
from sdk.contract.jobs import Reason
from sdk.running.orphans import birth, forget, spare

PATIENCE_SECONDS = 1800.0
TOLD_BYTES = 4000  # of what uv says, at its end
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


class UvFailed(Exception):
    """What uv says, without passwords."""


def program() -> str:
    """JobFailed(environment_failed) if it is not there."""
    beside = Path(sys.executable).with_name("uv.exe" if sys.platform == "win32" else "uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if found is None:
        raise JobFailed(
            Reason.ENVIRONMENT_FAILED,
            "The program uv is not on this robot's machine: install Runwright from its "
            "checkout or wheel again, with [agent] behind the path.",
        )
    return found


async def run(*arguments: str, cwd: Path, cache: Path, **variables: str) -> str:
    """What it prints; UvFailed, with its own words, if it ends otherwise than with 0."""
    with birth():
        process = await asyncio.create_subprocess_exec(
            program(),
            *arguments,
            cwd=cwd,
            env=_environment(os.environ, cache) | variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        spare(process.pid)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise UvFailed(f"uv did not finish within {PATIENCE_SECONDS:g} seconds.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        forget(process.pid)
    if process.returncode != 0:
        words = errors[-TOLD_BYTES:].decode(errors="replace").strip()
        raise UvFailed(_PASSWORD.sub("***@", words) or f"uv ended with {process.returncode}.")
    return output.decode(errors="replace")


def _environment(own: Mapping[str, str], cache: Path) -> dict[str, str]:
    """The agent's, without what is ours or what would lead uv to another environment."""
    kept = {
        name: value
        for name, value in own.items()
        if not name.startswith("RUNWRIGHT_")
        and name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT")
    }
    # Never links: who changes a file of one environment must not change it in all others. (With
    # `clone`, uv falls back to hard links where the file system cannot clone.)
    return (
        {"UV_CACHE_DIR": str(cache)}
        | kept
        | {
            "UV_LINK_MODE": "copy",
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
        }
    )
