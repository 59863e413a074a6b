"""What keeps an environment from being built before somebody has asked for a job.

uv runs nothing of a package then, but `--no-build` gives way to a package that is named in
`no-binary`; and what a package says of indexes would be sent the passwords that the agent has.
"""

import json
from collections.abc import Mapping
from typing import Any

from robot_agent.environments import uv
from sdk.running.needs import Needs

_BUILDS = ("no-binary", "no-binary-package")
_BUILDS_OF_AGENT = ("UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_CONFIG_FILE")  # it may say so


def hindrance(needs: Needs, own: Mapping[str, str]) -> str | None:
    """Why it has to wait for a job; `own` are the variables of the agent."""
    if needs.brings:
        return "The package brings code to install, which waits for a job."
    settings = [json.loads(text) for text in (needs.tool, needs.script_tool) if text]
    if _builds(needs, settings) or any(own.get(name) for name in _BUILDS_OF_AGENT):
        return "What is to be built from its source waits for a job (no-binary)."
    if needs.uses_variables:
        return "The package has a variable in a URL, which waits for a job."
    if any(uv.is_credential(name) for name in own) and any(map(_names_indexes, settings)):
        return "The package names indexes, and this agent has passwords for some: it waits."
    return None


def _builds(needs: Needs, settings: list[dict[str, Any]]) -> bool:
    if "--no-binary" in needs.text + needs.constraints:
        return True
    tables = [*settings, *(one.get("pip") for one in settings)]
    return any(isinstance(one, dict) and any(map(one.get, _BUILDS)) for one in tables)


def _names_indexes(settings: dict[str, Any]) -> bool:
    return bool(settings.get("index"))
