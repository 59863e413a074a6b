"""Which children of this process it started itself; the others were adopted.

A child exists before whoever started it knows its number, and sweeps look from other threads: so
nobody counts as adopted while one is being born.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sdk.running import proc

scripts: set[int] = set()
_spared: set[int] = set()  # its other children
_births = 0  # how many children it has begun to start
_unborn = 0  # how many of them it does not know by number yet
counting = threading.Lock()  # held by who waits for an orphan, too


@contextmanager
def birth() -> Iterator[None]:
    """To start a child, and to say whose it is: `scripts`, or `spare`."""
    global _births, _unborn
    with counting:
        _births += 1
        _unborn += 1
    try:
        yield
    finally:
        with counting:
            _unborn -= 1


def spare(pid: int) -> None:
    """A child that is no script, and no orphan of one."""
    _spared.add(pid)


def forget(pid: int) -> None:
    """It has ended."""
    _spared.discard(pid)


def is_nobody_adopted() -> bool:
    """False too if it cannot be told at this moment. Cheap; for the thread that waits for all
    other children."""
    with counting:
        children = None if _unborn else proc.own_children()
    return children is not None and children <= scripts | _spared


def adopted() -> dict[int, str] | None:
    """Their states, "Z" of those that have ended; None if it cannot be told now. Walks over all
    processes."""
    before, children = _births, proc.children_of(os.getpid())
    # Who is in that list was begun before it, so is known by now, or counted among the unborn.
    if _unborn or _births != before:
        return None
    return {pid: state for pid, state in children.items() if pid not in scripts | _spared}
