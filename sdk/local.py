"""`runwright.local.toml`: what a script finds when it is tried with `sdk run`.

    retries = 1                                    # of an item that failed, in any queue

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

import json
from pathlib import Path
from typing import Any

import msgspec

from sdk.archives import toml
from sdk.contract.queues import Retries
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
    retries: Retries = 0  # of an item of any queue


def orchestrator(path: Path) -> Orchestrator:
    """One that knows what the file says; an empty one without the file."""
    found = _read(path)
    logins = {name: Credential(c.username, c.password) for name, c in found.credentials.items()}
    made = Orchestrator(assets={**found.assets, **logins}, retries=found.retries)
    for name, payloads in found.queues.items():
        made.add_queue(name)
        for payload in payloads:
            made.add_item(name, payload)
    return made


def _read(path: Path) -> _Local:
    try:
        found = msgspec.convert(toml.read(path), _Local)
        for name, value in found.assets.items():
            _check(value, f"the asset {name}")
        for name, payloads in found.queues.items():
            _check(payloads, f"the queue {name}")
    except FileNotFoundError:
        return _Local()
    except (ValueError, OSError) as error:  # msgspec's ValidationError is a ValueError
        raise BadProject(f"{path} cannot be read: {error}.") from error
    return found


def _check(value: Any, what: str) -> None:
    """ValueError for what TOML knows and JSON does not."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} is not JSON ({error}); write dates as text") from error
