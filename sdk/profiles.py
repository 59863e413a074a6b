"""Which orchestrators somebody has signed in to: a profile for each, in their own folder.

The folder is theirs alone (0700) and outside any project, so that nothing in it is ever packed or
committed. `RUNWRIGHT_CONFIG_DIR` names another.
"""

import os
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
import platformdirs


class ProfileError(Exception):
    """The profiles cannot be read or kept; the message says why, and what to do."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    username: str
    kept_in: str  # "keyring" or "file"
    expires_at: datetime | None = None
    scopes: list[str] = []


class Profiles(msgspec.Struct, kw_only=True):
    default: str | None = None  # the one signed in to last
    by_name: dict[str, Profile] = {}


def folder() -> Path:
    named = os.environ.get("RUNWRIGHT_CONFIG_DIR")
    return Path(named) if named else platformdirs.user_config_path("runwright", appauthor=False)


def load() -> Profiles:
    path = folder() / "profiles.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Profiles)
    except (FileNotFoundError, NotADirectoryError):
        return Profiles()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read ({error}); repair or remove it.") from error


def save(profiles: Profiles) -> None:
    write_private(folder() / "profiles.json", msgspec.json.format(msgspec.json.encode(profiles)))


def write_private(path: Path, content: bytes) -> None:
    """Replace the file in one step; nobody else can read it, at no moment."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A name that nobody can guess, and a file that was not there: 0600 from its first moment.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        raise ProfileError(
            f"{path} cannot be written ({error.strerror or error}). Set RUNWRIGHT_CONFIG_DIR to a "
            "folder that can, or use RUNWRIGHT_TOKEN, which is not kept anywhere."
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
