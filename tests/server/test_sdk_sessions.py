"""Signing in from a developer's machine: who gets a token, once, and what it opens."""

import asyncio
import base64
import hashlib

import pytest

from orchestrator_server.app import ROUTES
from orchestrator_server.db.queries import Query
from orchestrator_server.http.identify import Door
from orchestrator_server.http.keys import DATABASE, SDK_WAITING, SETTINGS
from orchestrator_server.sdk_sessions import service, waiting
from tests.server.test_access import a_user, status_of

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
PROOF = {"X-Code-Verifier": VERIFIER}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(waiting, "INTERVAL_SECONDS", 0)


async def start(api, name="laptop", status=200, **wanted):
    wanted = {"code_challenge": CHALLENGE.decode(), **wanted}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    return await api.post("/api/sdk/auth/start", status, machine_name=name, **wanted)


async def status(api, started, headers=PROOF, **query):
    query = {"session_id": started["session_id"], **query}
    answer = await api.ask("GET", "/api/sdk/auth/status", params=query, headers=headers)
    assert answer.status == 200, answer.body
    return answer.body


async def sign_in(api, admin, *scopes, name="laptop"):
    """A developer's view of the server."""
    started = await start(api, name, scopes=list(scopes))
    await admin.post("/api/sdk/auth/confirm", 200, user_code=started["user_code"])
    token = await status(api, started)
    return api.as_(Authorization=f"Bearer {token['access_token']}")


async def test_a_machine_asks_a_person_confirms_the_machine_collects(admin, api, clock):
    started = await start(api, scopes=["run"])
    assert started["verification_uri_complete"].endswith(
        f"/console/sdk?code={started['user_code']}"
    )
    assert await status(api, started) == {"status": "pending"}
    confirmed = await admin.post("/api/sdk/auth/confirm", 200, session_id=started["session_id"])
    assert confirmed == {"status": "ok"}
    told = await status(api, started)
    assert (told["status"], told["user"]["username"]) == ("confirmed", "admin")
    assert (told["scopes"], told["expires_at"]) == (["default", "run"], "2030-01-01T01:00:00Z")
    developer = api.as_(Authorization=f"Bearer {told['access_token']}")
    assert (await developer.get("/api/sdk/auth/session"))["machine_name"] == "laptop"
    assert await status(api, started) == {"status": "expired"}
    clock.advance(minutes=61)
    assert (await developer.ask("GET", "/api/assets")).status == 401


async def test_whoever_waits_hears_within_the_second(admin, api):
    started = await start(api)
    told = asyncio.create_task(status(api, started, wait_seconds=20))
    async with asyncio.timeout(5):
        await admin.post("/api/sdk/auth/confirm", 200, user_code=started["user_code"])
        assert (await told)["status"] == "confirmed"


async def test_a_stop_of_the_server_lets_those_who_wait_go(api, server):
    started = await start(api)
    told = asyncio.create_task(status(api, started, wait_seconds=20))
    server[SDK_WAITING].close()
    async with asyncio.timeout(5):
        assert await told == {"status": "pending"}


@pytest.mark.parametrize("headers", [{}, {"X-Code-Verifier": "w" * 43}, {"X-Code-Verifier": ""}])
async def test_the_session_alone_is_worth_nothing(admin, api, headers):
    started = await start(api)
    await admin.post("/api/sdk/auth/confirm", 200, user_code=started["user_code"])
    assert await status(api, started, headers) == {"status": "pending"}
    assert (await status(api, started))["status"] == "confirmed"


async def test_a_client_of_the_seed_gets_its_token_at_its_own_address_alone(admin, api, server):
    started = await start(api, code_challenge=None)
    await admin.post("/api/sdk/auth/confirm", 200, session_id=started["session_id"])
    told = await server[DATABASE].read(
        service.status, _from("10.1.2.3"), started["session_id"], None
    )
    assert told is service.PENDING
    assert (await status(api, started, {}))["status"] == "confirmed"


def _from(address):
    from orchestrator_server.access.callers import Actor
    from sdk.contract.audit import ActorType

    return Actor(type=ActorType.SYSTEM, name="anonymous", ip_address=address)


async def test_the_same_machine_begins_once_and_another_proof_is_another_session(api):
    first, again = await start(api), await start(api)
    assert first == again
    others = [
        await start(api, code_challenge="x" * 43),
        await start(api, code_challenge=None),
        await start(api, name="another"),
        await start(api, scopes=["run"]),
    ]
    assert len({started["session_id"] for started in [first, *others]}) == 5
    assert await start(api, code_challenge=None) == others[1]


async def test_five_minutes_and_no_longer(admin, api, clock):
    started = await start(api)
    clock.advance(minutes=5)
    assert await status(api, started) == {"status": "expired"}
    answer = await admin.post("/api/sdk/auth/confirm", 200, user_code=started["user_code"])
    assert answer == {"status": "expired"}
    assert await status(api, {"session_id": "never-was"}) == {"status": "expired"}


async def test_confirming_again_is_no_error_and_another_persons_is_one(admin, api, server):
    started = await start(api)
    code = {"user_code": started["user_code"].lower().replace("-", " ")}
    assert await admin.post("/api/sdk/auth/confirm", 200, **code) == {"status": "ok"}
    assert await admin.post("/api/sdk/auth/confirm", 200, **code) == {"status": "ok"}
    await a_user(server, "eve", "Developer")
    eve = await api.sign_in("eve")
    assert (await eve.post("/api/sdk/auth/confirm", **code)).status == 409
    await status(api, started)
    assert await admin.post("/api/sdk/auth/confirm", 200, **code) == {"status": "ok"}


async def test_two_who_collect_at_once_share_one_token(admin, api):
    started = await start(api)
    await admin.post("/api/sdk/auth/confirm", 200, user_code=started["user_code"])
    told = await asyncio.gather(*(status(api, started) for _ in range(8)))
    assert sorted(answer["status"] for answer in told) == ["confirmed"] + ["expired"] * 7


@pytest.mark.parametrize(
    "wanted",
    [{}, {"session_id": "x", "user_code": "BCDF-GHJK"}, {"user_code": "AEIO-UAEI"},
     {"user_code": "BCDF-GHJKL"}, {"user_code": "BCDF-GHJK", "scopes": ["everything"]}],
)  # fmt: skip
async def test_a_confirmation_that_makes_no_sense_is_refused(admin, wanted):
    assert (await admin.post("/api/sdk/auth/confirm", **wanted)).status == 422


async def test_scopes_can_be_left_out_and_never_added(admin, api):
    started = await start(api, scopes=["publish", "run"])
    code = {"user_code": started["user_code"]}
    narrow = await start(api, name="other")
    more = {"user_code": narrow["user_code"], "scopes": ["run"]}
    assert (await admin.post("/api/sdk/auth/confirm", **more)).status == 422
    await admin.post("/api/sdk/auth/confirm", 200, **code, scopes=["run"])
    assert (await status(api, started))["scopes"] == ["default", "run"]


async def test_codes_cannot_be_guessed(admin):
    answers = [await admin.post("/api/sdk/auth/confirm", user_code="BCDF-GHJK") for _ in range(15)]
    assert (answers[0].status, answers[-1].status) == (404, 429)


async def test_not_everybody_may_begin_all_the_time(api):
    answers = [await api.post("/api/sdk/auth/start", machine_name=f"m{i}") for i in range(12)]
    assert [answer.status for answer in answers] == [200] * 10 + [429] * 2


async def test_whoever_asks_too_often_is_told_to_slow_down(api, monkeypatch):
    monkeypatch.setattr(waiting, "INTERVAL_SECONDS", 60)
    started = await start(api)
    await status(api, started)
    answer = await api.ask("GET", "/api/sdk/auth/status?session_id=" + started["session_id"])
    assert (answer.status, answer.kind, answer.headers["Retry-After"]) == (429, "slow-down", "60")


async def test_when_too_many_wait_the_oldest_of_the_same_address_goes(api, server, monkeypatch):
    monkeypatch.setattr(service, "MOST_OPEN", 2)
    first, second, third = [await start(api, name) for name in ("a", "b", "c")]
    assert await status(api, first) == {"status": "expired"}
    assert await status(api, second) == await status(api, third) == {"status": "pending"}


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, "a\u202eb", "a\nb", None, 7])
async def test_a_machine_has_a_name_that_can_be_read(api, name):
    assert (await api.post("/api/sdk/auth/start", machine_name=name)).status == 422


@pytest.mark.parametrize("challenge", ["", "short", "x" * 44, "\u00e9" * 43])
async def test_a_challenge_is_a_digest(api, challenge):
    answer = await api.post("/api/sdk/auth/start", machine_name="a", code_challenge=challenge)
    assert answer.status == 422


async def test_who_signed_out_or_was_disabled_meanwhile_signs_nobody_in(admin, api, server):
    await a_user(server, "dev", "Developer")
    dev = await api.sign_in("dev")
    started = await start(api)
    await dev.post("/api/sdk/auth/confirm", 200, user_code=started["user_code"])
    await dev.post("/api/auth/logout", 204)
    assert await status(api, started) == {"status": "expired"}


async def test_a_sign_in_can_be_ended_from_both_sides(admin, api):
    one, two = await sign_in(api, admin), await sign_in(api, admin, name="other")
    sessions = await admin.get("/api/sdk/auth/sessions")
    assert [session["machine_name"] for session in sessions] == ["other", "laptop"]
    await one.post("/api/sdk/auth/logout", 204)
    await admin.ask("DELETE", f"/api/sdk/auth/sessions/{sessions[0]['id']}", status=204)
    for developer in (one, two):
        assert (await developer.ask("GET", "/api/assets")).status == 401
    assert await admin.get("/api/sdk/auth/sessions") == []
    deeds = [e["action"] for e in (await admin.get("/api/audit?entity_type=sdk_session"))["items"]]
    assert sorted(deeds) == sorted(
        2 * ["sdk_session.started", "sdk_session.confirmed", "sdk_session.login",
             "sdk_session.logout"]
    )  # fmt: skip


async def test_a_new_password_ends_developers_sign_ins_too(admin, api):
    developer = await sign_in(api, admin)
    await admin.post("/api/auth/password", 204, current_password="correct horse battery",
                     new_password="another horse battery")  # fmt: skip
    assert (await developer.ask("GET", "/api/assets")).status == 401


@pytest.mark.parametrize("route", [r for r in ROUTES if r.door is not Door.PUBLIC],
                         ids=lambda r: f"{r.method} {r.path}")  # fmt: skip
@pytest.mark.parametrize("scope", ["default", "publish", "run", "manage"])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_an_sdk_token_opens_the_routes_of_its_scopes_and_no_other(admin, api, route, scope):
    developer = await sign_in(api, admin, scope)
    answer = await status_of(developer, route)
    if route.door not in (Door.PEOPLE, Door.FETCHERS):
        assert answer == 401 or (answer, route.door) == (404, Door.JOBS)
    else:
        assert (answer == 403) == (not {"default", scope} & set(route.sdk)), answer


CLOSED = ("/api/access", "/api/auth", "/api/settings", "/api/audit", "/api/dashboard")


def test_people_rights_settings_and_the_audit_trail_are_closed_to_every_sdk_token():
    assert not [r.path for r in ROUTES if r.sdk and r.path.startswith(CLOSED)]


def test_the_seeds_routes_are_the_default():
    default = {f"{r.method} {r.path}" for r in ROUTES if "default" in r.sdk}
    assert default == {
        "GET /api/assets", "GET /api/queues", "POST /api/queue-items",
        "GET /api/sdk/auth/session", "POST /api/sdk/auth/logout",
    }  # fmt: skip


async def test_a_token_opens_no_more_than_its_person_may(admin, api, server):
    await a_user(server, "viewer", "Read Only")
    viewer = await api.sign_in("viewer")
    developer = await sign_in(api, viewer, "run", "publish")
    await developer.get("/api/jobs")
    answer = await developer.post("/api/queue-items", queue_id=1, payload={})
    assert (answer.status, "queue_items:create" in answer.body["detail"]) == (403, True)


@pytest.mark.parametrize("path", ["/api/assets/../jobs", "//api/assets", "/api/assets%2f.."])
async def test_no_path_leads_around_the_scopes(admin, api, path):
    developer = await sign_in(api, admin)
    assert (await developer.ask("GET", path)).status in (403, 404)


async def test_a_job_says_that_it_came_from_the_sdk(admin, api):
    process = await admin.make_process()
    developer = await sign_in(api, admin, "run")
    assert (await developer.make_job(process))["source"] == "sdk"


async def test_neither_a_program_nor_a_developers_token_confirms(admin, api):
    started = await start(api, name="new")
    developer = await sign_in(api, admin)
    token = await admin.post("/api/access/tokens", 201, name="ci")
    program = api.as_(Authorization=f"Bearer {token['token']}")
    for caller in (developer, program):
        answer = await caller.post("/api/sdk/auth/confirm", user_code=started["user_code"])
        assert answer.status == 403
    robot = await admin.make_robot()
    answer = await robot.post("/api/sdk/auth/confirm", user_code=started["user_code"])
    assert answer.status == 401


async def test_the_life_of_a_token_is_a_setting(admin, api, server, clock):
    await admin.ask("PUT", "/api/settings/security", status=200, json={"sdk_token_minutes": 5})
    await server[SETTINGS].refresh(server[DATABASE])
    developer = await sign_in(api, admin)
    clock.advance(minutes=4)
    await developer.get("/api/assets")
    clock.advance(minutes=1)
    assert (await developer.ask("GET", "/api/assets")).status == 401


async def test_what_is_over_is_forgotten_after_a_day(admin, api, server, clock):
    await start(api)
    clock.advance(days=2)
    await server[DATABASE].write(service.forget_old)
    everything = Query("everything", "SELECT id FROM sdk_sessions")
    assert await server[DATABASE].read(lambda tx: tx.all(everything, service.Id)) == []
