"""Passwords: bcrypt over a keyed digest, on threads of their own."""

import asyncio
import base64
import hashlib
import hmac
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import bcrypt

from orchestrator_server.errors import Invalid, Unavailable

COST = 12
MIN_CHARACTERS = 12
MIN_DIFFERENT_CHARACTERS = 5
MAX_CHARACTERS = 1024
# A hash takes a quarter of a second, and requests must not wait for sign-ins: one server on two
# cores leaves one of them alone.
THREADS = 2 if (os.cpu_count() or 1) >= 4 else 1
QUEUE = 20
NICE = 10  # how far they stand back behind the rest of the server
_FORMAT = "v2$"

T = TypeVar("T")


class Passwords:
    """bcrypt reads 72 bytes and stops at NUL, so it is given a digest of the password; the
    digest is keyed, so that a stolen database alone is of no use."""

    def __init__(self, pepper: bytes, cost: int = COST) -> None:
        self._pepper = pepper
        self._cost = cost
        self._threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="passwords", initializer=_give_way
        )
        self._waiting = 0
        # What an unknown user's password is compared with: as dear to check as a real hash,
        # made at the lowest cost, so that a start does not wait for it.
        cheap = bcrypt.hashpw(self._digest("nobody"), bcrypt.gensalt(4)).decode()
        self._nobody = _FORMAT + cheap.replace("$04$", f"${cost:02d}$", 1)

    def hash_now(self, password: str) -> str:
        hashed = bcrypt.hashpw(self._digest(password), bcrypt.gensalt(self._cost))
        return _FORMAT + hashed.decode()

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether `password` is the one of `hashed`; without one, no, after the same time."""
        right = await self._in_turn(self._check, password, hashed or self._nobody)
        return right and hashed is not None

    async def hash(self, password: str) -> str:
        return await self._in_turn(self.hash_now, password)

    def close(self) -> None:
        self._threads.shutdown()

    async def _in_turn(self, work: Callable[..., T], *args: str) -> T:
        if self._waiting >= QUEUE + THREADS:
            raise Unavailable("Many people are signing in; try again in a moment.")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1

    def _check(self, password: str, hashed: str) -> bool:
        return bcrypt.checkpw(self._digest(password), hashed.removeprefix(_FORMAT).encode())

    def _digest(self, password: str) -> bytes:
        text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._pepper, text, hashlib.sha256))


def _give_way() -> None:
    """People may wait a moment longer for a sign-in, for robots then need not wait for them. On
    Linux each thread has a priority of its own."""
    if sys.platform == "linux":
        nice = max(NICE, os.getpriority(os.PRIO_PROCESS, 0))  # upwards nobody is let without rights
        with suppress(OSError):  # it may be forbidden here
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)


def check_strength(
    password: str,
    *,
    minimum: int = MIN_CHARACTERS,
    username: str = "",
    pointer: str = "#/password",
) -> None:
    """Raise Invalid for a password that is too easy to guess, or too long to be one."""
    if not minimum <= len(password) <= MAX_CHARACTERS:
        raise Invalid(f"A password has {minimum} to {MAX_CHARACTERS} characters.", pointer=pointer)
    if len(set(password)) < MIN_DIFFERENT_CHARACTERS:
        raise Invalid(
            f"A password has at least {MIN_DIFFERENT_CHARACTERS} different characters.",
            pointer=pointer,
        )
    if username and password.casefold() == username.casefold():
        raise Invalid("A password is not the user name.", pointer=pointer)
