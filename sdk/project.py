"""What a package says about itself in `pyproject.toml`: its name, its version, its processes.

[tool.runwright.processes]
greet = "main.py"                                         # the script, as a whole
invoices = { script = "main.py:main", timeout_seconds = 600 }   # one function of it
"""

from pathlib import Path
from typing import Any

import msgspec

from sdk.archives import toml
from sdk.contract.base import Labels, Name, Text
from sdk.contract.processes import (
    Attempts,
    ConcurrencyLimit,
    Preload,
    Priority,
    Seconds,
    SecretNames,
    Start,
)


class BadProject(Exception):
    """The project cannot be read; the message names the file and says why."""


class ProcessPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A process that publishing makes or changes; what is not given stays as it is."""

    script: Name
    description: Text | msgspec.UnsetType = msgspec.UNSET
    timeout_seconds: Seconds | msgspec.UnsetType = msgspec.UNSET
    max_attempts: Attempts | msgspec.UnsetType = msgspec.UNSET
    priority: Priority | msgspec.UnsetType = msgspec.UNSET
    concurrency_limit: ConcurrencyLimit | msgspec.UnsetType = msgspec.UNSET
    labels: Labels | msgspec.UnsetType = msgspec.UNSET
    start: Start | msgspec.UnsetType = msgspec.UNSET
    preload: Preload | msgspec.UnsetType = msgspec.UNSET
    default_parameters: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    secrets: SecretNames | msgspec.UnsetType = msgspec.UNSET  # asked for; others grant them

    def options(self) -> dict[str, Any]:
        """What was said beside the script."""
        said = msgspec.structs.asdict(self)
        return {k: v for k, v in said.items() if v is not msgspec.UNSET and k != "script"}


def read(folder: Path) -> dict[str, Any]:
    """`pyproject.toml` as it is; {} if there is none."""
    path = folder / "pyproject.toml"
    try:
        return toml.read(path)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:  # not TOML, too costly, not readable
        raise BadProject(f"{path} cannot be read: {error}.") from error


def name_and_version(folder: Path) -> tuple[str | None, str | None]:
    project = read(folder).get("project")
    if not isinstance(project, dict):
        return None, None
    name, version = project.get("name"), project.get("version")
    return (name if isinstance(name, str) else None, version if isinstance(version, str) else None)


def processes(folder: Path) -> dict[str, ProcessPlan]:
    """By name. Without a table: one named like the package, for a `main.py`."""
    table = _table(folder)
    if table is None:
        name, _ = name_and_version(folder)
        is_plain = name is not None and (folder / "main.py").is_file()
        return {str(name): ProcessPlan(script="main.py")} if is_plain else {}
    try:
        plans = {
            name: {"script": plan} if isinstance(plan, str) else plan
            for name, plan in table.items()
        }
        return msgspec.convert(plans, dict[Name, ProcessPlan])
    except msgspec.ValidationError as error:
        path = folder / "pyproject.toml"
        raise BadProject(f"{path}, [tool.runwright.processes]: {error}.") from error


def _table(folder: Path) -> dict[str, Any] | None:
    table: Any = read(folder)
    for key in ("tool", "runwright", "processes"):
        table = table.get(key)
        if table is None:
            return None
        if not isinstance(table, dict):
            where = '[tool.runwright.processes], with lines like  greet = "main.py"'
            raise BadProject(f"{folder / 'pyproject.toml'}: {key} is not a table; write {where}.")
    return dict(table)
