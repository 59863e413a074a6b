"""Where tokens are kept: in the keyring of the system if it works, else in a file of one's own.

A keyring may be missing, locked, or wait for a window that nobody sees. So it is tried with a
value of no worth first, on a thread that nobody waits for beyond a limit.
"""

import json
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sdk import profiles
from sdk.profiles import ProfileError

SERVICE = "runwright"
KEYRING_SECONDS = 3.0

T = TypeVar("T")


def choose() -> str:
    """Where a token could be kept now: "keyring", or "file". ProfileError if nowhere.

    Asked before somebody signs in, so that no token comes that cannot be kept."""
    if os.environ.get("RUNWRIGHT_NO_KEYRING") != "1" and _keyring_works():
        return "keyring"
    _write(_read_all())
    return "file"


def keep(place: str, profile: str, token: str) -> None:
    if place == "keyring":
        import keyring  # slow to import, and often not needed

        _in_time(lambda: keyring.set_password(SERVICE, profile, token))
    else:
        _write({**_read_all(), profile: token})


def read(place: str, profile: str) -> str | None:
    if place == "keyring":
        import keyring

        return _in_time(lambda: keyring.get_password(SERVICE, profile))
    return _read_all().get(profile)


def forget(place: str, profile: str) -> None:
    """No error if there is none."""
    if place == "keyring":
        import keyring
        from keyring.errors import PasswordDeleteError

        try:
            _in_time(lambda: keyring.delete_password(SERVICE, profile))
        except PasswordDeleteError:
            return
    elif profile in (tokens := _read_all()):
        del tokens[profile]
        _write(tokens)


def described(place: str) -> str:
    return "your keyring" if place == "keyring" else f"{path()} (readable by you alone)"


def path() -> Path:
    return profiles.folder() / "tokens.json"


def _keyring_works() -> bool:
    import keyring

    probe, value = "probe", secrets.token_hex(8)

    def try_it() -> bool:
        keyring.set_password(SERVICE, probe, value)
        found = keyring.get_password(SERVICE, probe)
        keyring.delete_password(SERVICE, probe)
        return found == value

    try:
        return _in_time(try_it)
    except Exception:
        return False  # whatever a keyring's backend raises, it is not one to rely on


def _in_time(work: Callable[[], T]) -> T:
    """What `work` gives, or ProfileError after a while; a thread that hangs ends with us."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(KEYRING_SECONDS)
    if failure:
        raise failure[0]
    if not outcome:
        raise ProfileError(
            f"Your keyring did not answer within {KEYRING_SECONDS:g} seconds; unlock it, or set "
            "RUNWRIGHT_NO_KEYRING=1 to keep tokens in a file."
        )
    return outcome[0]


def _read_all() -> dict[str, str]:
    try:
        found = json.loads(path().read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path()} cannot be read ({error}); repair or remove it.") from error
    if not isinstance(found, dict) or not all(isinstance(t, str) for t in found.values()):
        raise ProfileError(f"{path()} holds no tokens; remove it and sign in again.")
    return found


def _write(tokens: dict[str, str]) -> None:
    profiles.write_private(path(), json.dumps(tokens).encode())
