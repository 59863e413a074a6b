"""Values that operators keep for scripts. A secret comes when it is asked for, never before."""

import os

from sdk.runtime import server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Credential:
    """A user name and a password; printing it shows no password."""

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        return f"Credential({self.username!r}, '***')"


class Assets:
    def get(self, name: str) -> "Any":
        """The value of an asset, of its own type; a secret in the clear.

        Raises ServerError (404) if there is none of that name."""
        found = _read(name)
        if found["type"] == "credential":
            raise TypeError(f"{name} is a credential: ask credentials.get({name!r}).")
        return found["value"]


class Credentials:
    def get(self, name: str) -> Credential:
        """A user name and its password; ServerError (404) if there is none of that name."""
        found = _read(name)
        if found["type"] != "credential":
            raise TypeError(
                f"{name} is of type {found['type']}, not credential: assets.get({name!r})."
            )
        return Credential(found["username"], found["value"])


def _read(name: str) -> "Any":
    found = server.ask("GET", f"/api/runtime/assets/{server.quoted(name)}")
    # Before the script has it: the robot covers its value in whatever is printed from now on.
    if path := os.environ.get("RUNWRIGHT_SECRETS_READ"):
        with open(path, "a", encoding="utf-8") as notes:  # noqa: PTH123 -- pathlib is slow to load
            notes.write(f"{name!r}\n")
    return found


assets = Assets()
credentials = Credentials()
