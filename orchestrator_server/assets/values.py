"""What an asset of each type may hold. Pure."""

from typing import Any

import msgspec

from orchestrator_server.errors import Invalid
from sdk.contract.assets import AssetType

MAX_BYTES = 64 * 1024
SEALED = frozenset({AssetType.SECRET, AssetType.CREDENTIAL})

_SPELLINGS = {
    "string": AssetType.TEXT,
    "integer": AssetType.INT,
    "number": AssetType.INT,
    "bool": AssetType.BOOLEAN,
    "password": AssetType.SECRET,
    "object": AssetType.JSON,
}
_PYTHON: dict[AssetType, type] = {
    AssetType.TEXT: str,
    AssetType.INT: int,
    AssetType.BOOLEAN: bool,
    AssetType.SECRET: str,
    AssetType.CREDENTIAL: str,
}


def canonical(spelling: str) -> AssetType:
    """The type that `spelling` means, whichever of its earlier names is used."""
    lower = spelling.strip().lower()
    if lower in _SPELLINGS:
        return _SPELLINGS[lower]
    try:
        return AssetType(lower)
    except ValueError:
        known = ", ".join(AssetType)
        raise Invalid(
            f"There is no asset type {spelling!r}; take one of {known}.", pointer="#/type"
        ) from None


def check_grants(type_: AssetType, process_ids: list[int], *, any_process: bool) -> None:
    """Raise Invalid if an asset of this type cannot be granted, or is granted twice."""
    if type_ not in SEALED and (process_ids or any_process):
        pointer = "#/process_ids" if process_ids else "#/any_process"
        raise Invalid(
            f"An asset of type {type_} is no secret: all jobs may read it.", pointer=pointer
        )
    if len(set(process_ids)) != len(process_ids):
        raise Invalid("A process is named twice; name each once.", pointer="#/process_ids")


def check(type_: AssetType, value: Any, username: str | None) -> None:
    """Raise Invalid if an asset of this type cannot be so."""
    if username is not None and type_ is not AssetType.CREDENTIAL:
        raise Invalid(f"An asset of type {type_} has no user name.", pointer="#/username")
    if username is None and type_ is AssetType.CREDENTIAL:
        raise Invalid("A credential needs a `username`.", pointer="#/username")
    expected = _PYTHON.get(type_)
    # `type(…) is`, because True is an int to Python.
    if expected is not None and type(value) is not expected:
        wanted = {"str": "a text", "int": "an integer", "bool": "true or false"}
        raise Invalid(
            f"The value of an asset of type {type_} is {wanted[expected.__name__]}.",
            pointer="#/value",
        )
    if type_ in SEALED and not value:
        raise Invalid(f"A {type_} cannot be empty.", pointer="#/value")
    if len(msgspec.json.encode(value)) > MAX_BYTES:
        raise Invalid(f"An asset holds at most {MAX_BYTES // 1024} KiB.", pointer="#/value")
