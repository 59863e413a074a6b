"""`runwright.local.toml`: what a script finds when it is tried with `sdk run`.

    [assets]
    mail_host = "localhost"
    limits = { daily = 10 }

    [credentials.erp]
    username = "robot"
    password = "only for trying"

    [queues]
    invoices = [{ number = 1, amount = 7.5 }]      # the payloads of its items

It is for this machine alone: `sdk init` names it in `.gitignore`, and it is never packed.
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from sdk.project import BadProject
from sdk.testing.orchestrator import Credential, Orchestrator

NAME = "runwright.local.toml"


class _Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: str
    password: str


class _Local(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    assets: dict[str, Any] = {}
    credentials: dict[str, _Login] = {}
    queues: dict[str, list[dict[str, Any]]] = {}


def orchestrator(path: Path) -> Orchestrator:
    """One that knows what the file says; an empty one without the file."""
    found = _read(path)
    logins = {name: Credential(c.username, c.password) for name, c in found.credentials.items()}
    made = Orchestrator(assets={**found.assets, **logins})
    for name, payloads in found.queues.items():
        made.add_queue(name)
        for payload in payloads:
            made.add_item(name, payload)
    return made


def _read(path: Path) -> _Local:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Local)
    except FileNotFoundError:
        return _Local()
    except (ValueError, OSError) as error:  # msgspec's ValidationError is a ValueError
        raise BadProject(f"{path} cannot be read: {error}.") from error
