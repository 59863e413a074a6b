"""Who gets in, with what, and how far."""

import time
from datetime import UTC, datetime

import jwt
import pytest

from orchestrator_server.access import service, tokens
from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.access.passwords import Passwords
from orchestrator_server.access.rules import BUILT_IN, EVERYTHING
from orchestrator_server.app import ROUTES
from orchestrator_server.http.identify import Door
from orchestrator_server.http.keys import DATABASE, KEYS, PASSWORDS
from tests.support.world import ADMIN_PASSWORD

CLAIMS = {"iss": "runwright", "aud": "rw:user", "sub": "1", "jti": "x"}


async def a_user(server, name, role=None):
    hashed = server[PASSWORDS].hash_now(ADMIN_PASSWORD)
    roles = [role] if role else []
    await server[DATABASE].write(
        service.create_user, SYSTEM, name, hashed, is_admin=False, roles=roles
    )


def a_path(route):
    return route.path.format(**dict.fromkeys((*route.ids, *route.texts), "999"))


async def status_of(api, route):
    kwargs = {} if route.method == "GET" else {"json": {}}
    return (await api.ask(route.method, a_path(route), **kwargs)).status


async def test_an_administrator_is_made_at_the_first_start_and_may_do_everything(admin):
    me = await admin.get("/api/auth/me")
    assert (me["user"]["username"], me["user"]["is_admin"]) == ("admin", True)
    assert all(me["permissions"]["flat"].values())
    assert len(me["permissions"]["flat"]) == len(EVERYTHING)


async def test_signing_in_works_with_a_form_and_with_json(api):
    form = {"username": "admin", "password": ADMIN_PASSWORD, "grant_type": "password"}
    answer = await api.ask("POST", "/api/auth/login", status=200, data=form)
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 8 * 3600)
    assert (await api.sign_in()).headers


@pytest.mark.parametrize("username", ["admin", "nobody", "‮", "x" * 300])
@pytest.mark.parametrize("password", ["wrong", "", "ü" * 100])
async def test_whatever_is_wrong_looks_the_same(api, username, password):
    form = {"username": username, "password": password}
    answer = await api.ask("POST", "/api/auth/login", data=form)
    assert (answer.status, answer.body["detail"]) == (
        401,
        "The user name or the password is wrong.",
    )


def test_an_unknown_user_costs_as_much_as_a_known_one():
    made = Passwords(b"x" * 32, cost=12)
    assert made._nobody.startswith("v2$$2b$12$")
    assert not made._check("nobody", made._nobody)
    made.close()


@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_nul_in_the_form_is_malformed(api, field):
    form = {"username": "admin", "password": "x", field: "a\0b"}
    assert (await api.ask("POST", "/api/auth/login", data=form)).status == 400


async def test_a_long_password_is_refused_before_it_is_hashed(api):
    answer = await api.ask(
        "POST", "/api/auth/login", data={"username": "a", "password": "x" * 1025}
    )
    assert answer.status == 422


async def test_a_sign_out_kills_the_token_at_once(admin):
    assert (await admin.ask("POST", "/api/auth/logout")).status == 204
    assert (await admin.ask("GET", "/api/auth/me")).status == 401


async def test_a_token_ends_by_itself(admin, clock):
    clock.advance(seconds=8 * 3600 - 1)
    await admin.get("/api/auth/me")
    clock.advance(seconds=1)
    assert (await admin.ask("GET", "/api/auth/me")).status == 401


def forged(now, **changes):
    claims = {**CLAIMS, "iat": now, "nbf": now, "exp": now + 60, **changes}
    return {name: value for name, value in claims.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None}, {"exp": "9999999999"}, {"exp": 1.5}, {"exp": 1}, {"sub": ""}, {"sub": 1},
        {"sub": "01"}, {"aud": ["rw:user"]}, {"aud": "rw:sdk"}, {"iss": "other"}, {"jti": None},
        {"iat": 9_999_999_999}, {"exp": 9_999_999_999}, {"sub": "999"}, {},
    ],
)  # fmt: skip
async def test_a_token_that_does_not_say_exactly_what_ours_say_is_refused(
    api, server, clock, changes
):
    now = int(clock.now.timestamp())
    text = jwt.encode(
        forged(now, **changes), server[KEYS].signing, "HS256", {"kid": "1", "typ": tokens.USER.type}
    )
    answer = await api.ask("GET", "/api/auth/me", headers={"Authorization": f"Bearer {text}"})
    assert answer.status == 401


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Basic YTpi", "Bearer a.b", "Bearer a.b.c.d", "Bearer " + "a" * 5000,
     "Bearer \u00e9.b.c", "Bearer a.b.c ", "Token a.b.c",
     "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."],
)  # fmt: skip
async def test_what_is_not_a_token_is_refused(api, header):
    answer = await api.ask("GET", "/api/auth/me", headers={"Authorization": header})
    assert answer.status == 401


async def test_another_algorithm_is_refused(api, server, clock):
    now = int(clock.now.timestamp())
    text = jwt.encode(forged(now), server[KEYS].signing * 2, "HS512",
                      {"kid": "1", "typ": tokens.USER.type})  # fmt: skip
    answer = await api.ask("GET", "/api/auth/me", headers={"Authorization": f"Bearer {text}"})
    assert answer.status == 401


async def test_two_credentials_are_one_too_many(admin):
    answer = await admin.ask("GET", "/api/auth/me", headers={"X-Robot-Token": "x"})
    assert answer.status == 400


@pytest.mark.parametrize("route", [r for r in ROUTES if r.door is not Door.PUBLIC],
                         ids=lambda r: f"{r.method} {r.path}")  # fmt: skip
async def test_no_door_opens_without_its_own_kind_of_credential(admin, api, route):
    robot = await admin.make_robot()
    assert await status_of(api, route) == 401
    if route.door not in (Door.PEOPLE, Door.FETCHERS):
        assert await status_of(admin, route) == 401
    if route.door not in (Door.ROBOTS, Door.WORKERS, Door.FETCHERS):
        assert await status_of(robot, route) == 401


@pytest.mark.parametrize("role", [*BUILT_IN, None])
async def test_each_role_opens_what_it_says_and_nothing_else(server, api, role):
    await a_user(server, "someone", role)
    someone = await api.sign_in("someone")
    allowed = {
        f"{artifact}:{operation}"
        for artifact, operations in BUILT_IN.get(role, {}).items()
        for operation in operations
    }
    for route in ROUTES:
        if route.may is not None:
            forbidden = await status_of(someone, route) == 403
            assert forbidden == (route.may not in allowed), (role, route.path)


async def test_a_user_who_was_disabled_is_out_at_once(server, api):
    from orchestrator_server.db.queries import Query

    await a_user(server, "someone", "Operator")
    someone = await api.sign_in("someone")
    disable = Query("disable", "UPDATE users SET is_active = FALSE WHERE username = 'someone'")
    await server[DATABASE].write(lambda tx: tx.run(disable))
    assert (await someone.ask("GET", "/api/auth/me")).status == 401
    answer = await api.post("/api/auth/login", username="someone", password=ADMIN_PASSWORD)
    assert answer.status == 401


async def test_signing_in_and_out_is_in_the_audit_trail_without_the_password(admin, api):
    await api.post("/api/auth/login", username="admin", password="not the password")
    page = await admin.get("/api/audit?entity_type=session")
    assert [event["action"] for event in page["items"]] == ["session.refused", "session.login"]
    assert [event["actor_username"] for event in page["items"]] == ["anonymous", "admin"]
    assert {event["ip_address"] for event in page["items"]} == {"127.0.0.1"}
    for event in page["items"]:
        assert "password" not in str(await admin.get(f"/api/audit/{event['id']}"))


def test_signing_uses_the_clock_it_is_given(server_keys):
    then = datetime.fromtimestamp(time.time() - 10 * tokens.MAX_SECONDS, UTC)
    assert tokens.verify(server_keys, tokens.sign(server_keys, 7, "t", then, 60), then).user_id == 7


@pytest.fixture
def server_keys(tmp_path):
    from orchestrator_server import keys

    return keys.load(tmp_path / "keys.json", check=None)
