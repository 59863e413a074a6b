"""Every named query is sound on every database we support."""

import importlib
import re
from itertools import product
from pathlib import Path

import pytest

import orchestrator_server
from orchestrator_server.db.queries import Query, load, parse

ROOT = Path(orchestrator_server.__file__).parent
PACKAGES = [f"orchestrator_server.{f.parent.name}" for f in sorted(ROOT.glob("*/queries.sql"))]
QUERIES = [(p, name) for p in PACKAGES for name in vars(load(p))]

FILTERED = """
-- name: list
SELECT * FROM jobs
WHERE true
  AND status = :status  --? status
  AND id < :before_id   --? before_id
"""


def one(text):
    return next(iter(parse(text).values()))


def every_set_of(optional):
    """Each combination of given (1) and not given (None)."""
    for values in product([1, None], repeat=len(optional)):
        yield dict(zip(optional, values, strict=True))


@pytest.mark.parametrize(("package", "name"), QUERIES)
async def test_it_compiles(database, package, name):
    query = getattr(load(package), name)
    for given in every_set_of(query.optional):
        await database.read(COMPILE[database.dialect], query, given)


def compile_on_sqlite(tx, query, given):
    text, names = query.spelled_for("sqlite", given)
    tx._session._connection.execute("EXPLAIN " + text, dict.fromkeys(names) | given)


def compile_on_postgres(tx, query, given):
    sql, names = query.spelled_for("postgres", given)
    for number, name in enumerate(names, 1):
        sql = sql.replace(f"%({name})s", f"${number}")
    tx.script("PREPARE it AS " + sql.replace("%%", "%"))
    tx.script("DEALLOCATE it")


COMPILE = {"sqlite": compile_on_sqlite, "postgres": compile_on_postgres}


async def test_a_query_with_a_misspelt_column_does_not_compile(database):
    with pytest.raises(Exception, match="stauts"):
        await database.read(COMPILE[database.dialect], Query("q", "SELECT stauts FROM jobs"), {})


@pytest.mark.parametrize("package", PACKAGES)
def test_code_and_sql_name_the_same_queries(package):
    """Every query is used somewhere, and every use is of a query there is."""
    folder = Path(importlib.import_module(package).__file__).parent
    files = [file for file in ROOT.rglob("*.py") if _uses(file, package, folder)]
    used = {name for file in files for name in re.findall(r"\bsql\.(\w+)", file.read_text())}
    assert used == set(vars(load(package)))


def _uses(file, package, folder):
    text = file.read_text()
    if file.parent == folder:
        return "queries.load(__package__)" in text or f"from {package}.service import" in text
    return f'queries.load("{package}")' in text


def test_an_optional_line_is_there_when_its_parameter_is_given():
    query = one(FILTERED)
    both = query.spelled_for("sqlite", {"status": "failed", "before_id": 7})
    assert both.text.splitlines()[2:] == ["  AND status = :status", "  AND id < :before_id"]
    assert both.names == ("before_id", "status")
    neither = query.spelled_for("sqlite", {"status": None})
    assert neither.text.splitlines()[2:] == []
    assert neither.names == ()


def test_a_text_is_made_once_for_each_set_of_parameters():
    query = one(FILTERED)
    first = query.spelled_for("postgres", {"status": "failed"})
    assert query.spelled_for("postgres", {"status": "pending", "before_id": None}) is first


@pytest.mark.parametrize(
    ("ours", "for_psycopg"),
    [
        ("id = :id", "id = %(id)s"),
        ("at::text = :at", "at::text = %(at)s"),
        (":at::timestamptz", "%(at)s::timestamptz"),
        ("'at 12:30:sharp'", "'at 12:30:sharp'"),
        ("name LIKE '10%'", "name LIKE '10%%'"),
        ("id % :n = 0", "id %% %(n)s = 0"),
        ("-- don't :touch 5%\n:id", "-- don't :touch 5%%\n%(id)s"),
        ('":column" = :id', '":column" = %(id)s'),
    ],
)
def test_parameters_are_spelled_for_psycopg(ours, for_psycopg):
    assert Query("q", ours).spelled_for("postgres", {}).text == for_psycopg


@pytest.mark.parametrize(
    "text",
    [
        "-- name: a [postgres]\nSELECT 1;\n",
        "-- name: a\nSELECT 1;\n\n-- name: a [oracle]\nSELECT 1;\n",
        "-- name: a\nSELECT 1;\n\n-- name: a\nSELECT 2;\n",
    ],
)
def test_a_query_that_some_database_lacks_or_that_is_there_twice_is_an_error(text):
    with pytest.raises(ValueError):
        parse(text)
