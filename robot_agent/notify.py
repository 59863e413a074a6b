"""Tells systemd how this agent is: https://www.freedesktop.org/software/systemd/man/sd_notify.html

Without systemd, nothing happens.
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable

STATUS_SECONDS = 30.0

log = logging.getLogger(__name__)


def tell(*lines: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if sys.platform == "win32" or not address:
        return
    if address.startswith("@"):  # Linux: a name that is no file
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.setblocking(False)
            to.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        log.warning("The service manager cannot be told %s: %s", lines[0], error)


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear from this process, if it does."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None


async def keep_telling(is_alive: Callable[[], bool], status: Callable[[], str]) -> None:
    """WATCHDOG=1 for as long as `is_alive`, and this loop, are; runs until canceled."""
    wanted = watchdog_seconds()
    while "NOTIFY_SOCKET" in os.environ:
        lines = [f"STATUS={status()}"]
        if wanted is not None and is_alive():
            lines.append("WATCHDOG=1")
        tell(*lines)
        await asyncio.sleep(min(STATUS_SECONDS, wanted / 3) if wanted else STATUS_SECONDS)
