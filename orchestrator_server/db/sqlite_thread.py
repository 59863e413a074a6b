"""What runs on the thread that owns a SQLite connection, and the one way to get there."""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import NoneType
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import aiosqlite

from orchestrator_server.db import violations
from orchestrator_server.db.outcome import Outcome, attempt
from orchestrator_server.db.queries import Query
from orchestrator_server.db.rows import encode, utc
from orchestrator_server.db.transaction import Transaction
from sdk.failpoints import failpoint

P = ParamSpec("P")
R = TypeVar("R")
Clock = Callable[[], datetime]
Unit = Callable[[Transaction], Any]

_AS_THEY_ARE = frozenset({int, str, float, bytes, NoneType})


async def on_thread(
    connection: aiosqlite.Connection,
    do: Callable[Concatenate[sqlite3.Connection, P], R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> R:
    """Run `do(sqlite3_connection, …)` on the thread of `connection`, in one hop.

    aiosqlite offers a hop for each statement but none for a function, so this uses two of
    its private names. Only here: its test says whether a new aiosqlite still has them.
    """
    done = connection._execute(do, connection._conn, *args, **kwargs)  # type: ignore[no-untyped-call]
    return cast(R, await done)


def commit_together(
    connection: sqlite3.Connection, units: list[Unit], clock: Clock
) -> list[Outcome]:
    """Run all units in one SQLite transaction; one that fails undoes only itself.

    If the commit itself fails, every unit is run again in a transaction of its own, so
    that only the culprit hears of it. A unit may therefore run twice. Raises if it cannot
    even begin, because another program holds the database.
    """
    _begin(connection)
    try:
        outcomes = [_with_savepoint(connection, unit, clock) for unit in units]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        connection.rollback()
        if len(units) == 1:
            return [_failed(connection, error)]
        return [_alone(connection, unit, clock) for unit in units]
    except BaseException:  # a bug of ours; no transaction may stay open behind it
        connection.rollback()
        raise
    return outcomes


def look(connection: sqlite3.Connection, unit: Unit, clock: Clock) -> Outcome:
    """Run a unit that only reads; BEGIN gives all its queries the same view."""
    connection.execute("BEGIN")
    try:
        outcome = attempt(unit, Transaction(_Session(connection), clock()))
        return outcome if outcome.error is None else _failed(connection, outcome.error)
    finally:
        connection.rollback()


def _begin(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        _failed(connection, error).unwrap()


def _alone(connection: sqlite3.Connection, unit: Unit, clock: Clock) -> Outcome:
    outcome = attempt(commit_together, connection, [unit], clock)
    return outcome if outcome.error else cast(Outcome, outcome.result[0])


def _with_savepoint(connection: sqlite3.Connection, unit: Unit, clock: Clock) -> Outcome:
    connection.execute("SAVEPOINT unit")
    outcome = attempt(unit, Transaction(_Session(connection), clock()))
    if outcome.error is not None:
        outcome = _failed(connection, outcome.error)
        connection.execute("ROLLBACK TO unit")
    # After a full disk SQLite has rolled back everything, and there is no savepoint left:
    # this raises, and the batch is done again one by one.
    connection.execute("RELEASE unit")
    return outcome


def _failed(connection: sqlite3.Connection, error: BaseException) -> Outcome:
    domain_error = violations.from_sqlite(connection, error)
    if domain_error is None:
        return Outcome(error=error)
    domain_error.__cause__ = error
    return Outcome(error=domain_error)


class _Session:
    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def fetch(self, query: Query, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        text, names = query.spelled_for("sqlite", params)
        values = {name: _to_sqlite(params[name]) for name in names}
        cursor = self._connection.execute(text, values)
        found = cursor.fetchall()
        if not found:
            return []
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in found]

    def script(self, sql: str) -> None:
        # Not executescript(): it would commit the transaction we are in.
        statement = ""
        for line in sql.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                self._connection.execute(statement)
                failpoint("migration.after_statement")
                statement = ""
        self._connection.execute(statement)  # what follows the last semicolon


def _to_sqlite(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, datetime):
        return _text_of(value)
    return encode(value)


@lru_cache(maxsize=16)  # a unit has one `now`, and says it in most of its statements
def _text_of(time: datetime) -> str:
    return utc(time).isoformat(timespec="microseconds")
