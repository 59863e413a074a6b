"""The program uv: https://docs.astral.sh/uv/. It comes with the extra `agent`."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from robot_agent.environments import ownership
from robot_agent.exits import JobFailed
from sdk.contract.jobs import Reason
from sdk.running.environment import inherited
from sdk.running.launch import of_helpers
from sdk.running.orphans import birth, forget, spare

PATIENCE_SECONDS = 1800.0
TOLD_BYTES = 4000  # of what uv says, at its end
# What decides which packages are installed, and from where.
DECISIVE = (
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
    *("UV_NO_INDEX", "UV_INDEX_STRATEGY", "UV_CONFIG_FILE", "UV_NO_CONFIG", "UV_CONSTRAINT"),
    *("UV_OVERRIDE", "UV_BUILD_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_PRERELEASE"),
    *("UV_NO_BINARY", "UV_NO_BINARY_PACKAGE"),
)
FOR_INDEXES = frozenset(
    {
        *DECISIVE,
        *("UV_KEYRING_PROVIDER", "UV_CREDENTIALS_DIR", "UV_OFFLINE", "UV_CACHE_DIR"),
        *(
            "UV_INSECURE_HOST",
            "UV_NATIVE_TLS",
            "UV_SYSTEM_CERTS",
            "UV_HTTP_TIMEOUT",
            "UV_HTTP_CONNECT_TIMEOUT",
        ),
        *("UV_HTTP_RETRIES", "UV_REQUEST_TIMEOUT", "UV_CONCURRENT_DOWNLOADS"),
        *("UV_CONCURRENT_BUILDS", "UV_CONCURRENT_INSTALLS"),
        *("UV_NO_BUILD", "UV_NO_BUILD_PACKAGE"),
        *("ALL_PROXY", "NETRC", "SSL_CERT_DIR", "SSL_CLIENT_CERT", "GIT_SSL_CAINFO"),
        *("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME"),
    }
)
_CREDENTIAL = re.compile("UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)")
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
            "The program uv is not on this robot's machine: install Runwright again with `[agent]` "
            "after the path of its checkout or wheel.",
        )
    return found


async def run(*arguments: str, cwd: Path, cache: Path, **variables: str) -> str:
    """What it prints; UvFailed, with its own words, if it ends otherwise than with 0."""
    launch = of_helpers()
    with birth():
        process = await asyncio.create_subprocess_exec(
            program(),
            *arguments,
            cwd=cwd,
            env=_environment(os.environ, cache) | variables | ownership.variables(launch),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            **ownership.options(launch),
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
        ownership.end_helpers(launch, process.pid)
        forget(process.pid)
    if process.returncode != 0:
        words = errors[-TOLD_BYTES:].decode(errors="replace").strip()
        raise UvFailed(_PASSWORD.sub("***@", words) or f"uv ended with {process.returncode}.")
    return output.decode(errors="replace")


def _environment(own: Mapping[str, str], cache: Path) -> dict[str, str]:
    """As a script's, with what uv needs to reach indexes: uv hands its own environment on to the
    build systems of packages, which are code of theirs."""
    kept = inherited(own) | {name: value for name, value in own.items() if _is_for_indexes(name)}
    kept.pop("VIRTUAL_ENV", None)
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


def is_credential(name: str) -> bool:
    """Whether it is a variable with a user or a password for an index."""
    return _CREDENTIAL.fullmatch(name.upper()) is not None


def _is_for_indexes(name: str) -> bool:
    return name.upper() in FOR_INDEXES or is_credential(name)
