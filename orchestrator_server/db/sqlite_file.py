"""What is known of a SQLite file before anything is done with it: whether it is whole.

Only ever looked at: who repairs a damaged database decides what is lost, and that is for people.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

# Of a file of 1.1 GiB quick_check took 2 s once it was in memory. To read it from a disk took
# 4 s in one go, and 40 s page by page as quick_check wants them; while a server starts, no robot
# is heard. What is larger is only looked at where it begins.
CHECKED_BYTES = 1024**3
READ_BYTES = 1024**2
_DAMAGE = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


def damage(path: Path) -> str | None:
    """What is wrong with the file, in SQLite's words; None for a whole one, or none at all."""
    if not path.exists() or path.stat().st_size == 0:
        return None  # a new database
    try:
        # Read-only, so that not even its -wal is written back into it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            return _look(opened, path)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname in _DAMAGE:
            return str(error)
        raise


def _look(opened: sqlite3.Connection, path: Path) -> str | None:
    opened.execute("SELECT name FROM sqlite_schema").fetchall()
    if path.stat().st_size > CHECKED_BYTES:
        return None
    _read_ahead(path)
    [found] = opened.execute("PRAGMA quick_check(1)").fetchone()
    return None if found == "ok" else " ".join(str(found).split())


def _read_ahead(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(READ_BYTES):
            pass
