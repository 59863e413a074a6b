"""Opaque credentials: 256 random bits behind a prefix that scanners know, stored as a hash."""

import hashlib
import re
import secrets
import zlib
from typing import NamedTuple

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARACTERS = 43  # base62 of 256 bits
_SHAPE = re.compile(r"rw_[a-z]{3}_[0-9A-Za-z]{49}", re.ASCII)


class Secret(NamedTuple):
    """A new credential: `text` is shown once, `hash` and `hint` are kept."""

    text: str
    hash: str
    hint: str

    def __repr__(self) -> str:
        return f"Secret({self.hint})"


def new(kind: str) -> Secret:
    """`kind` is three letters: `mky` machine key, `rbt` robot token, `ses` sign-in."""
    body = f"rw_{kind}_" + _base62(secrets.randbits(256), _RANDOM_CHARACTERS)
    text = body + _checksum(body)
    return Secret(text, hash_of(text), f"rw_{kind}_…{text[-4:]}")


def hash_of(text: str) -> str:
    """A fast hash is right here: nobody can try 2^256 keys."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_well_formed(text: str, kind: str) -> bool:
    """Cheap, so that nonsense never reaches the database."""
    if not text.startswith(f"rw_{kind}_") or not _SHAPE.fullmatch(text):
        return False
    return _checksum(text[:-6]) == text[-6:]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), 6)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
