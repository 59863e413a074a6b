"""What a database driver raises, in the words of the domain: by code and constraint name."""

import sqlite3

from orchestrator_server.errors import (
    AlreadyExists,
    Conflict,
    OrchestratorError,
    StorageFull,
    Unavailable,
)

_UNIQUE = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
_REFERENCE = {"SQLITE_CONSTRAINT_FOREIGNKEY", "SQLITE_CONSTRAINT_TRIGGER"}
_UNAVAILABLE = {
    "SQLITE_BUSY": "Another program is holding the database; try again in a moment.",
    "SQLITE_LOCKED": "Another program is holding the database; try again in a moment.",
    "SQLITE_CANTOPEN": "The files of the database cannot be opened; see the server's log.",
    "SQLITE_IOERR": "The database could not be read or written; see the server's log.",
    "SQLITE_CORRUPT": "The database is damaged; restore a backup.",
    "SQLITE_NOTADB": "The database is damaged; restore a backup.",
    "SQLITE_READONLY": "The database file cannot be written; look at its permissions.",
}
# The unique constraint that some columns have, by the index that holds it.
_INDEX_OF = """
SELECT i.name FROM pragma_index_list(?) AS i
WHERE i."unique" AND ? = (
    SELECT group_concat(c.name, ', ') FROM (SELECT name FROM pragma_index_info(i.name)) AS c
)
"""


def of_uniqueness(constraint: str | None) -> AlreadyExists:
    return AlreadyExists(
        f"That would be there twice ({constraint or 'unique'}); look at what exists already.",
        constraint=constraint,
    )


def of_reference() -> Conflict:
    return Conflict("Something this refers to is gone, or something else still refers to it.")


def from_sqlite(connection: sqlite3.Connection, error: BaseException) -> OrchestratorError | None:
    """The domain error that `error` stands for, or None if it stands for a bug of ours."""
    if not isinstance(error, sqlite3.Error):
        return None
    name = getattr(error, "sqlite_errorname", "")
    if name in _UNIQUE:
        return of_uniqueness(_constraint(connection, str(error)))
    if name in _REFERENCE:
        return of_reference()
    if name == "SQLITE_FULL":
        return StorageFull("The disk of the database is full; make room on it.")
    primary = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE is a kind of SQLITE_IOERR
    sentence = _UNAVAILABLE.get(primary)
    return Unavailable(sentence) if sentence else None


def _constraint(connection: sqlite3.Connection, message: str) -> str | None:
    """SQLite names the columns, "UNIQUE constraint failed: t.a, t.b"; look up their index."""
    columns = message.partition(": ")[2].split(", ")
    table = columns[0].partition(".")[0]
    names = ", ".join(column.partition(".")[2] for column in columns)
    found = connection.execute(_INDEX_OF, (table, names)).fetchone()
    return str(found[0]) if found else None
