"""The dependency rules, so that the layout stays what it shows."""

from pathlib import Path

import pytest

from orchestrator_server.access.rules import EVERYTHING
from orchestrator_server.app import ROUTES
from orchestrator_server.http.identify import Door
from tests import guard_rails as rails

ROOT = Path(__file__).parent.parent
FILES = [f for top in rails.OURS for f in sorted((ROOT / top).rglob("*.py"))]
SERVER = [f for f in FILES if "orchestrator_server" in f.parts]
SIGN_IN_ONLY = {
    "/api/access/tokens",
    "/api/access/tokens/{token_id}",
    "/api/auth/logout",
    "/api/auth/me",
    "/api/auth/password",
    "/api/sdk/auth/confirm",
    "/api/sdk/auth/logout",
    "/api/sdk/auth/session",
    "/api/sdk/auth/sessions",
    "/api/sdk/auth/sessions/{session_id}",
}
PUBLIC = {
    "/",
    "/api/auth/forgot",
    "/api/auth/login",
    "/api/auth/register",  # says no unless the settings allow it
    "/api/auth/reset",  # asks for a token of its own
    "/api/health/live",
    "/api/health/ready",
    "/api/runner/register-robot",  # asks for the machine's key itself
    "/api/sdk/auth/start",
    "/api/sdk/auth/status",  # asks for the verifier
    "/console/console.css",
    "/console/sdk",  # these read a cookie, and show a page to sign in on without it
    "/console/sign-in",
    "/console/sign-out",
    "/docs",
    "/docs/init.js",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
    "/openapi.json",
}


def place(file):
    return str(file.relative_to(ROOT))


def each(files):
    return pytest.mark.parametrize("file", files, ids=place)


@each(FILES)
def test_it_imports_only_what_lies_below_it(file):
    assert rails.upward_imports(place(file), file.read_text()) == set()


@each([ROOT / "sdk/__init__.py", *sorted((ROOT / "sdk/contract").glob("*.py"))])
def test_the_contract_needs_nothing_but_msgspec(file):
    assert rails.third_party(file.read_text()) <= {"msgspec"}


@each([f for f in FILES if f.name in rails.PURE])
def test_a_pure_module_does_no_io(file):
    assert rails.impurities(file.read_text()) == set()


@each([f for f in SERVER if f.name in rails.VERBS])
def test_a_verb_never_waits(file):
    """Verbs run inside a transaction; see db/transaction.py."""
    assert rails.waits(file.read_text()) == []


@each([f for f in SERVER if f.name in rails.BELOW_THE_DOORS])
def test_what_lies_below_the_doors_knows_no_http(file):
    assert rails.looks_up_at_http(file.read_text()) == set()


HAS_ITS_OWN_SQL = ("db", "robot_agent")  # the agent's journal is one small file of SQLite


@each([f for f in FILES if f.parent.name not in HAS_ITS_OWN_SQL])
def test_sql_lives_in_sql_files(file):
    assert rails.sql_in_python(file.read_text()) == []


@each(SERVER)
def test_nobody_uses_the_queries_of_another_concept(file):
    assert rails.other_peoples_sql(place(file), file.read_text()) == []


@each([f for f in SERVER if f.name == "routes.py" and f.parent.name != "http"])
def test_every_route_is_a_row_of_our_tables(file):
    assert rails.own_routes(file.read_text()) == []


@each(FILES)
def test_files_and_functions_stay_small(file):
    assert rails.too_long(file.read_text()) == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_every_route_says_who_may_and_what_it_is_for(route):
    assert route.summary
    if route.door in (Door.PEOPLE, Door.FETCHERS):
        assert route.may in EVERYTHING or route.path in SIGN_IN_ONLY
    elif route.door is Door.PUBLIC:
        assert route.path in PUBLIC


BROKEN = [
    (rails.upward_imports, ("orchestrator_server/jobs/x.py", "from sdk.client import Client")),
    (rails.upward_imports, ("sdk/x.py", "import orchestrator_server.app")),
    (rails.upward_imports, ("robot_agent/x.py", "from orchestrator_server import keys")),
    (rails.upward_imports, ("sdk/contract/x.py", "from sdk.errors import Refused")),
    (rails.third_party, ("import aiohttp",)),
    (rails.impurities, ("import time",)),
    (rails.waits, ("async def verb(tx): ...",)),
    (rails.waits, ("import asyncio",)),
    (rails.looks_up_at_http, ("from orchestrator_server.http.keys import DATABASE",)),
    (rails.looks_up_at_http, ("from orchestrator_server.jobs import routes",)),
    (rails.sql_in_python, ("query = 'SELECT * FROM jobs'",)),
    (rails.own_routes, ("web.post('/x', handler)",)),
    (rails.other_peoples_sql, ("orchestrator_server/robots/service.py",
                               "from orchestrator_server.jobs.service import sql")),
    (rails.too_long, ("\n" * 300,)),
    (rails.too_long, ("def f():\n" + "    x = 1\n" * 41,)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "broken"), BROKEN)
def test_each_rule_notices_when_it_is_broken(rule, broken):
    assert rule(*broken)
