"""The tables of a SQLite file in an order in which PostgreSQL can be filled with them."""

import sqlite3
from typing import Any

import msgspec
import psycopg

_NOT_MOVED = {"migrations", "moving_from_sqlite"}  # of these each database has its own
_NAMES = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1"
)
_TYPES = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = %s ORDER BY ordinal_position
"""
_KEY = """
SELECT a.attname FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY array_position(i.indkey, a.attnum)
"""


class Table(msgspec.Struct, frozen=True):
    name: str
    types: dict[str, str]  # of its columns, as PostgreSQL calls them
    key: list[str]
    later: list[str]  # columns that refer to a table which is filled after this one


def in_order(source: sqlite3.Connection, target: psycopg.Connection[Any]) -> list[Table]:
    """Each behind those that it refers to. Of those that refer to each other, one comes first whose
    references may be null for a while."""
    names = [name for (name,) in source.execute(_NAMES)]
    waiting = {
        name: [(row[3], row[2]) for row in source.execute(f'PRAGMA foreign_key_list("{name}")')]
        for name in names
        if name not in _NOT_MOVED
    }
    required = {
        (name, row[1])
        for name in waiting
        for row in source.execute(f'PRAGMA table_info("{name}")')
        if row[3]
    }
    done: list[Table] = []
    while waiting:
        missing = {
            name: [column for column, other in refers if other in waiting.keys() - {name}]
            for name, refers in waiting.items()
        }
        ready = [name for name, columns in missing.items() if not columns] or [
            name
            for name, columns in missing.items()
            if not any((name, column) in required for column in columns)
        ]
        name = min(ready, key=lambda name: (len(waiting[name]), name))
        refers = waiting.pop(name)
        later = [column for column, other in refers if other in waiting or other == name]
        types = dict(target.execute(_TYPES, [name]).fetchall())
        key = [row[0] for row in target.execute(_KEY, [name])]
        done.append(Table(name, types, key, later))
    return done
