"""The server's keys: made once, kept in one private file, never made anew over existing data."""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

import msgspec

from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Transaction

KEY_BYTES = 32
_CHECKED = b"runwright key check 1"

sql = queries.load("orchestrator_server.db")


class WrongKeys(Exception):
    """The key file does not belong to this database; the message says what to do."""


class Keys(msgspec.Struct, frozen=True):
    """`signing` is for tokens, `pepper` for passwords, `sealing` for secrets at rest.

    `earlier_sealing` still opens, by its id, what was sealed before a rotation.
    """

    signing_id: str
    signing: bytes
    pepper: bytes
    sealing_id: str
    sealing: bytes
    earlier_sealing: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return "Keys(***)"

    def mac(self, purpose: str, message: str) -> str:
        """A keyed digest of `message`, URL-safe; another purpose gives another digest."""
        digest = hmac.digest(self.signing, f"{purpose}\0{message}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def mark_of_installation(self) -> str:
        """Tells nobody anything, and stays when keys are rotated."""
        return hmac.new(self.pepper, b"runwright installation 1", hashlib.sha256).hexdigest()

    def check_value(self) -> str:
        return self._check_value(self.sealing)

    def belong_to(self, check: str) -> bool:
        """Whether `check` was made with these keys, before a rotation perhaps."""
        return any(
            hmac.compare_digest(check, self._check_value(sealing))
            for sealing in (self.sealing, *self.earlier_sealing.values())
        )

    def _check_value(self, sealing: bytes) -> str:
        return hmac.new(sealing + self.pepper, _CHECKED, hashlib.sha256).hexdigest()


class KeyFile:
    """The keys of a file, read again when it was replaced: another process may rotate them."""

    def __init__(self, file: Path, keys: Keys) -> None:
        self._file = file
        self._keys = keys
        self._seen = _state(file)

    def current(self) -> Keys:
        state = _state(self._file)
        if state != self._seen:
            self._keys, self._seen = _read(self._file), state
        return self._keys


class _StoredCheck(msgspec.Struct, frozen=True):
    value: str


def load(file: Path, *, check: str | None) -> Keys:
    """The keys of `file`; made if neither file nor `check`, the database's memory of them, exists.

    Raises WrongKeys if the file is lost, open to others, too weak, or not the database's.
    """
    if not file.exists():
        if check is not None:
            raise WrongKeys(
                f"The key file {file} is missing, and the database was used with it. "
                "Put it back from your backup: without it passwords and secrets cannot be read."
            )
        _write_private(file, msgspec.json.encode(_new()))
    keys = _read(file)
    if check is not None and not keys.belong_to(check):
        raise WrongKeys(f"The key file {file} belongs to another database; use the right one.")
    return keys


def with_new_sealing(file: Path, keep: set[str]) -> Keys:
    """Replace the file by one with a new sealing key; the present one and those in `keep` stay."""
    keys = _read(file)
    ring = keys.earlier_sealing | {keys.sealing_id: keys.sealing}
    newest = max(int(key_id) for key_id in ring)
    rotated = msgspec.structs.replace(
        keys,
        sealing_id=str(newest + 1),
        sealing=secrets.token_bytes(KEY_BYTES),
        earlier_sealing={k: v for k, v in ring.items() if k in keep | {keys.sealing_id}},
    )
    beside = _beside(file, msgspec.json.encode(rotated))
    beside.replace(file)
    _keep_names(file.parent)  # before anything is sealed with it
    return rotated


def stored_check(tx: Transaction) -> str | None:
    stored = tx.maybe(sql.key_check, _StoredCheck)
    return stored.value if stored else None


def remember_check(tx: Transaction, value: str) -> None:
    tx.run(sql.remember_key_check, value=value)


def replace_check(tx: Transaction, value: str) -> None:
    """After a rotation: from now on the new keys are the database's."""
    tx.run(sql.replace_key_check, value=value)


def _read(file: Path) -> Keys:
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise WrongKeys(f"The key file {file} can be read by others. Run: chmod 600 {file}")
    try:
        keys = msgspec.json.decode(file.read_bytes(), type=Keys)
    except msgspec.MsgspecError as error:
        raise WrongKeys(f"The key file {file} is damaged; put it back from your backup.") from error
    sealing = [keys.sealing, *keys.earlier_sealing.values()]
    if min(map(len, (keys.signing, keys.pepper, *sealing))) < KEY_BYTES:
        raise WrongKeys(f"A key in {file} is shorter than {KEY_BYTES} bytes; it is not ours.")
    return keys


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_ino


def _new() -> Keys:
    return Keys(
        signing_id="1",
        signing=secrets.token_bytes(KEY_BYTES),
        pepper=secrets.token_bytes(KEY_BYTES),
        sealing_id="1",
        sealing=secrets.token_bytes(KEY_BYTES),
    )


def _write_private(file: Path, content: bytes) -> None:
    """Linked into place: whole or not at all, and never over another."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = _beside(file, content)
    try:
        os.link(beside, file)
        _keep_names(file.parent)
    except FileExistsError:
        return  # another server was first; its keys are read
    finally:
        beside.unlink()


def _keep_names(folder: Path) -> None:
    """What was renamed or linked there survives a loss of power."""
    if os.name != "posix":
        return  # Windows has no such thing
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(file: Path, content: bytes) -> Path:
    """A private file next to `file`, on the disk with all its bytes."""
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    return beside
