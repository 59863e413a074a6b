"""The environment of a script: built from a list, so that no secret of the agent is in it."""

import os
from collections.abc import Mapping
from pathlib import Path

from sdk.contract.runner import Assignment

PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TEMP", "TMP"),
        *("SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "USERNAME"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "VIRTUAL_ENV"),
    }
)
# A script finds the desktop and its session by these; only where there is a desktop to find.
DESKTOP = frozenset(
    {
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
        *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    }
)
FOR_PYTHON = {
    "PYTHONUNBUFFERED": "1",  # else what a killed script printed is lost
    "PYTHONIOENCODING": "utf-8",
}
RESULT_VARIABLE = "RUNWRIGHT_RESULT"


def child_environment(
    own: Mapping[str, str], assignment: Assignment, folder: Path, url: str
) -> dict[str, str]:
    return {
        **inherited(own),
        **FOR_PYTHON,
        "RUNWRIGHT_PARAMETERS": str(folder / "parameters.json"),
        RESULT_VARIABLE: str(folder / "result.json"),
        "RUNWRIGHT_FAILURE": str(folder / "failure.json"),
        "RUNWRIGHT_PROGRESS": str(folder / "progress.json"),
        "RUNWRIGHT_SECRETS_READ": str(secrets_file(folder)),
        "RUNWRIGHT_STOP": str(stop_file(folder)),
        "RUNWRIGHT_JOB_ID": str(assignment.id),
        "RUNWRIGHT_ATTEMPT": str(assignment.attempt),
        "RUNWRIGHT_IDEMPOTENCY_KEY": f"runwright-job-{assignment.id}",
        "RUNWRIGHT_FENCE": f"{assignment.id}.{assignment.attempt}",
        "RUNWRIGHT_URL": url,
        "RUNWRIGHT_JOB_TOKEN": assignment.job_token,
    }


def inherited(own: Mapping[str, str]) -> dict[str, str]:
    """What a script gets of the agent's own environment."""
    names = DESKTOP if has_display(own) else frozenset()
    return {name: value for name, value in own.items() if name in names or _is_passed_on(name)}


def has_display(own: Mapping[str, str]) -> bool:
    """Whether there is an X server or a Wayland compositor to connect to."""
    return bool(own.get("DISPLAY") or own.get("WAYLAND_DISPLAY"))


def secrets_file(folder: Path) -> Path:
    """Where the script notes the names, never the values, of the assets it has read."""
    return folder / "secrets-read"


def stop_file(folder: Path) -> Path:
    """Its presence tells the script to finish early."""
    return folder / "stop"


def mark_of(folder: Path) -> str:
    """What the environment of every process that works in or below `folder` begins with."""
    return f"{RESULT_VARIABLE}={folder}{os.sep}"


def _is_passed_on(name: str) -> bool:
    # Proxies are also written in lower case, and Windows does not care.
    return name.upper() in PASSED_ON or name.startswith("LC_")
