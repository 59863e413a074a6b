"""Secrets at rest: AES-256-GCM, a data key for each secret, wrapped by a key of the key file.

A sealed text is `v1.<key id>.<wrapped data key>.<content>`; the two parts are nonce and
ciphertext in base64url. Where the secret belongs ("assets", row 7, "value") is bound into both,
so that a sealed text moved to another row or column does not open.
"""

import base64
import secrets
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from orchestrator_server.errors import Unavailable
from orchestrator_server.keys import KeyFile, Keys

NONCE_BYTES = 12  # NIST SP 800-38D, 5.2.1.1
DATA_KEY_BITS = 256
_FORMAT = "v1"


class CannotOpen(Unavailable):
    """A secret cannot be read with the keys there are; the message names it and what to do."""


class Place(NamedTuple):
    """Where a secret is kept."""

    table: str
    row: int | str
    field: str

    def bound(self, part: str) -> bytes:
        return f"runwright|{part}|{self.table}|{self.row}|{self.field}".encode()


class Sealer:
    """Seals with the current key, opens with any; follows the key file when it changes."""

    def __init__(self, key_file: KeyFile) -> None:
        self._key_file = key_file

    def seal(self, plain: str, place: Place) -> str:
        keys = self._key_file.current()
        data_key = AESGCM.generate_key(DATA_KEY_BITS)
        content = _encrypt(data_key, plain.encode("utf-8", "surrogatepass"), place.bound("content"))
        wrapped = _encrypt(keys.sealing, data_key, place.bound("key"))
        return ".".join((_FORMAT, keys.sealing_id, wrapped, content))

    def open(self, sealed: str, place: Place) -> str:
        """The secret; CannotOpen if it is damaged, from elsewhere, or its key is gone."""
        _, content = _parts(sealed, place)
        data_key = self._data_key(sealed, place)
        return _decrypt(data_key, content, place, "content").decode("utf-8", "surrogatepass")

    def rewrap(self, sealed: str, place: Place) -> str:
        """The same secret under the current key; its content stays as it is."""
        keys = self._key_file.current()
        _, content = _parts(sealed, place)
        wrapped = _encrypt(keys.sealing, self._data_key(sealed, place), place.bound("key"))
        return ".".join((_FORMAT, keys.sealing_id, wrapped, content))

    def _data_key(self, sealed: str, place: Place) -> bytes:
        wrapped, _ = _parts(sealed, place)
        key_id = key_id_of(sealed)
        key = _find(self._key_file.current(), key_id)
        if key is None:
            raise CannotOpen(
                f"{_sentence(place)} was sealed with the key {key_id}, which is not in the key "
                "file; put the key file back from your backup."
            )
        return _decrypt(key, wrapped, place, "key")


def key_id_of(sealed: str) -> str:
    return sealed.split(".")[1]


def _find(keys: Keys, key_id: str) -> bytes | None:
    return keys.sealing if key_id == keys.sealing_id else keys.earlier_sealing.get(key_id)


def _parts(sealed: str, place: Place) -> tuple[str, str]:
    format_, *rest = sealed.split(".")
    if format_ != _FORMAT or len(rest) != 3:
        raise CannotOpen(f"{_sentence(place)} is not sealed as this server seals.")
    return rest[1], rest[2]


def _encrypt(key: bytes, plain: bytes, bound: bytes) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, plain, bound)).decode()


def _decrypt(key: bytes, text: str, place: Place, part: str) -> bytes:
    try:
        content = base64.urlsafe_b64decode(text)
        return AESGCM(key).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], place.bound(part))
    except (InvalidTag, ValueError) as error:
        raise CannotOpen(f"{_sentence(place)} is damaged, or does not belong there.") from error


def _sentence(place: Place) -> str:
    return f"The secret in {place.table}, row {place.row}, {place.field},"
