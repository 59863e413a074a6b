"""From the SQLite file of one server to a PostgreSQL, every row, and every row compared.

Rows go in the order in which the file has them, some at a time, so that what was interrupted goes
on where it was: behind as many rows as have arrived. The file is held meanwhile, and is only
read; what was changed in it between two tries is found when the rows are compared.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import psycopg
from psycopg import sql

from orchestrator_server.db import table_order
from orchestrator_server.db.table_order import Table
from sdk.failpoints import failpoint

PAGE = 5_000
_MARK = "CREATE TABLE IF NOT EXISTS moving_from_sqlite (begun_at TIMESTAMPTZ DEFAULT now())"
_MARKED = "SELECT to_regclass('moving_from_sqlite') IS NOT NULL"
_GO_ON = "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)"
# As SQLite has it, so that a row of one is the same text as the row of the other.
_AS_TEXT = {
    "timestamp with time zone": (
        """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')"""
    ),
    "boolean": "CAST({} AS int)",
    "json": "CAST({} AS text)",
    "text": '{} COLLATE "C"',
}

Rows = Iterator[tuple[Any, ...]]


class CannotMove(Exception):
    """The message says what stands in the way, and what to do."""


def move(path: Path, url: str, tell: Callable[[str, int], None]) -> int:
    """Fill an empty, migrated PostgreSQL from the file; tell of each table, and return how many
    rows there are. Raises CannotMove, and leaves the file as it is in any case."""
    try:
        return _move(path, url, tell)
    except (psycopg.Error, sqlite3.Error) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        is_value = isinstance(error, psycopg.DataError)
        step = "Mend that value in the SQLite file" if is_value else "Run it again, and it goes on"
        raise CannotMove(f"The move stopped: {why}. {step}.") from error


def _move(path: Path, url: str, tell: Callable[[str, int], None]) -> int:
    with (
        closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as source,
        psycopg.connect(url) as target,
    ):
        _hold(source)
        _must_be_alike(source, target)
        tables = table_order.in_order(source, target)
        _must_be_ours(target, tables)
        for table in tables:
            _copy(source, target, table)
        for table in tables:
            _fill_later(source, target, table)
            _go_on_counting(source, target, table)
        failpoint("move.before_comparing")
        total = 0
        for table in tables:
            count = _compare(source, target, table)
            tell(table.name, count)
            total += count
        target.execute("DROP TABLE moving_from_sqlite")
        return total


def _hold(source: sqlite3.Connection) -> None:
    """Alone: a server that has the file open, even an idle one, would go on writing into it."""
    try:
        source.execute("PRAGMA locking_mode = EXCLUSIVE")
        source.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        raise CannotMove(f"The SQLite file is in use ({error}); stop the server first.") from error


def _must_be_alike(source: sqlite3.Connection, target: psycopg.Connection[Any]) -> None:
    applied = "SELECT version, checksum FROM migrations ORDER BY version"
    [(encoding,)] = target.execute("SHOW server_encoding").fetchall()
    if encoding != "UTF8":
        raise CannotMove(f"The PostgreSQL database is in {encoding}; give one in UTF8.")
    if source.execute(applied).fetchall() != target.execute(applied).fetchall():
        raise CannotMove("The SQLite file is of another version; run `orchestrator migrate` first.")


def _must_be_ours(target: psycopg.Connection[Any], tables: list[Table]) -> None:
    """Empty, or half filled by us."""
    [(is_marked,)] = target.execute(_MARKED).fetchall()
    taken = [table.name for table in tables if _count(target, table.name)]
    if taken and not is_marked:
        raise CannotMove(
            f"The PostgreSQL has data already, in {', '.join(taken)}; give an empty database."
        )
    target.execute(_MARK)
    target.commit()


def _copy(source: sqlite3.Connection, target: psycopg.Connection[Any], table: Table) -> None:
    columns = list(table.types)
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    convert = [_conversion(table, column) for column in columns]
    there = _count(target, table.name)
    while True:
        page = source.execute(
            f"SELECT {_listed(columns)} FROM {table.name} ORDER BY rowid LIMIT ? OFFSET ?",
            (PAGE, there),
        ).fetchall()
        if not page:
            return
        with target.cursor() as cursor, cursor.copy(into) as copy:
            for row in page:
                copy.write_row([do(value) for do, value in zip(convert, row, strict=True)])
        target.commit()
        there += len(page)
        failpoint("move.after_page")


def _conversion(table: Table, column: str) -> Callable[[Any], Any]:
    if column in table.later:
        return lambda _: None
    if table.types[column] == "boolean":
        return lambda value: None if value is None else bool(value)
    return lambda value: value


def _fill_later(source: sqlite3.Connection, target: psycopg.Connection[Any], table: Table) -> None:
    for column in table.later:
        found = source.execute(
            f"SELECT {column}, {_listed(table.key)} FROM {table.name} WHERE {column} IS NOT NULL"
        )
        where = " AND ".join(f"{name} = %s" for name in table.key)
        update = _text(f"UPDATE {table.name} SET {column} = %s WHERE {where}")
        with target.cursor() as cursor:
            cursor.executemany(update, found.fetchall())
    target.commit()


def _go_on_counting(
    source: sqlite3.Connection, target: psycopg.Connection[Any], table: Table
) -> None:
    """No number is given twice, nor that of a row that was deleted."""
    for (last,) in source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)):
        if last:
            target.execute(_GO_ON, (table.name, last))
    target.commit()


def _compare(source: sqlite3.Connection, target: psycopg.Connection[Any], table: Table) -> int:
    """How many rows the table has, each the same in both."""
    count = 0
    for ours, theirs in zip_longest(
        _rows_of_sqlite(source, table), _rows_of_postgres(target, table)
    ):
        if ours != theirs:
            which = dict(zip(table.key, (ours or theirs or ())[: len(table.key)], strict=False))
            raise CannotMove(
                f"{table.name} {which} is not the same in both. The SQLite file is as it was; "
                "drop the PostgreSQL database, make it anew, and move again."
            )
        count += 1
    return count


def _rows_of_sqlite(source: sqlite3.Connection, table: Table) -> Rows:
    columns, order = _listed(_key_first(table)), _listed(table.key)
    return source.execute(f"SELECT {columns} FROM {table.name} ORDER BY {order}")


def _rows_of_postgres(target: psycopg.Connection[Any], table: Table) -> Rows:
    columns = [_AS_TEXT.get(table.types[c], "{}").format(c) for c in _key_first(table)]
    order = [_AS_TEXT.get(table.types[c], "{}").format(c) for c in table.key]
    with target.cursor(name="moved") as cursor:  # at the server, not all of it in memory
        cursor.itersize = PAGE
        yield from cursor.execute(
            _text(f"SELECT {_listed(columns)} FROM {table.name} ORDER BY {_listed(order)}")
        )


def _key_first(table: Table) -> list[str]:
    return [*table.key, *(column for column in table.types if column not in table.key)]


def _count(target: psycopg.Connection[Any], name: str) -> int:
    [(count,)] = target.execute(_text(f"SELECT count(*) FROM {name}")).fetchall()
    return cast(int, count)


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def _text(text: str) -> sql.SQL:
    """Put together from names of our own schema, and from nothing else."""
    return sql.SQL(text)
