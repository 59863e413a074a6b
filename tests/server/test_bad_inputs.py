"""Input that is wrong in ways which no other file here is about: answered, and without harm."""

import asyncio
import io
import json

import msgspec
import pytest
import yarl

from orchestrator_server.app import ROUTES
from orchestrator_server.http.keys import DATABASE, SETTINGS


async def raw(url, *lines):
    """The first line of the answer to a request that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", yarl.URL(url).port)
    writer.write("\r\n".join([*lines, "Host: 127.0.0.1", "Connection: close", "", ""]).encode())
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.split(b"\r\n", 1)[0]


# -- transport


@pytest.mark.parametrize("line", ["TRACE / HTTP/1.1", "CONNECT a:1 HTTP/1.1", "BREW / HTTP/1.1"])
async def test_a_method_nobody_serves_is_refused(api, line):
    assert (await raw(api.url, line)).split()[1] in (b"400", b"405", b"421")


async def test_a_flood_of_cookies_is_refused(api):
    line = await raw(api.url, "GET /api/jobs HTTP/1.1", "Cookie: " + "a=b; " * 4000)
    assert line.split()[1] in (b"400", b"431")


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs?x=/health",
        "/api/assets/health",
        "/api/robots/ready",
        "/api/jobs;/health",
        "/api/health/live/../../jobs",
        "/api/health/../jobs",
        "/api/jobs%2f..%2fhealth",
        "/docs/..%2f..%2fapi%2fjobs",
        "/docs/..%5cpyproject.toml",
        "/docs/%252e%252e/keys",
        "/docs/%c0%ae%c0%ae/keys",
        "/docs/%00",
        "//api/jobs",
        "/api/./jobs",
        "/API/jobs",
    ],
)
async def test_no_spelling_of_a_path_leads_around_the_door(api, path):
    line = await raw(api.url, f"GET {path} HTTP/1.1")
    assert line.split()[1] in (b"400", b"401", b"404"), line


# -- lists and bodies


@pytest.mark.parametrize(
    "search",
    ["%", "_", "\\", "(a+)+$", "' OR 1=1--", '"; DROP TABLE robots', "\U0001f916", "<script>"],
)
async def test_every_search_is_literal(admin, search):
    """A list that can be searched finds nothing by what only looks like a pattern."""
    await admin.post("/api/robots", 201, name="robot")
    searched = [r for r in ROUTES if r.method == "GET" and "search" in _query_names(r)]
    assert len(searched) >= 6
    for route in searched:
        found = await admin.get(route.path, params={"search": search})
        assert (found["items"] if isinstance(found, dict) else found) == [], route.path
        answer = await admin.ask("GET", route.path, params={"search": "x" * 201})
        assert answer.status == 422, route.path
        answer = await admin.ask("GET", route.path + "?search=%00")
        assert answer.status in (400, 422), route.path


def _query_names(route):
    return [field.name for field in msgspec.structs.fields(route.query)] if route.query else []


async def test_names_of_fields_are_data(admin):
    parameters = {"__proto__": 1, "constructor": {"prototype": 2}, "__class__": "x", "": None}
    job = await admin.make_job(await admin.make_process(), parameters=parameters)
    assert (await admin.get(f"/api/jobs/{job['id']}"))["parameters"] == parameters


@pytest.mark.parametrize(
    "parameters",
    [
        {str(i): i for i in range(10_000)},
        {"text": "x" * 300_000},
        '{"text": ',
        "[1]",
        '{"a": "\\u0000"}',
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        '{"a": ' + "[" * 9999,
        [1],
        1,
    ],
)
async def test_parameters_have_a_limit_and_are_an_object(admin, parameters):
    process = await admin.make_process()
    answer = await admin.post("/api/jobs", process_id=process["id"], parameters=parameters)
    assert answer.status in (400, 422)
    assert await admin.get("/api/jobs") == []


@pytest.mark.parametrize("text", ["{{7*7}}", "${jndi:ldap://x}", "=cmd()", "<script>alert(1)"])
async def test_text_is_text(admin, text):
    job = await admin.make_job(await admin.make_process(), parameters={"text": text})
    assert job["parameters"] == {"text": text}


# -- machines and robots


@pytest.mark.parametrize("name", ["../x", "robot\n", "x" * 256, "", "   ", "a\u202eb", "a\u200bb"])
async def test_a_robot_has_a_name_that_can_be_read(admin, name):
    assert (await admin.post("/api/robots", name=name)).status == 422
    assert await admin.get("/api/robots") == []


async def test_a_machine_key_in_the_address_is_refused(admin, api):
    made = await admin.post("/api/machines", 201, name="mill")
    path = f"/api/runner/register-robot?machine_key={made['machine_key']}"
    answer = await api.post(path, name="robot")
    assert answer.status in (400, 401)
    assert made["machine_key"] not in json.dumps(answer.body)


async def test_who_guesses_machine_keys_is_told_to_wait(admin, api):
    made = await admin.post("/api/machines", 201, name="mill")
    guess = made["machine_key"][:-1] + ("a" if made["machine_key"][-1] != "a" else "b")
    asked = {"machine_key": guess, "name": "robot"}
    answers = [await api.post("/api/runner/register-robot", **asked) for _ in range(200)]
    assert (answers[0].status, answers[-1].status) == (401, 429)
    assert int(answers[-1].headers["Retry-After"]) > 0


async def test_a_robot_is_linked_to_a_machine_that_is_there(admin):
    assert (await admin.post("/api/robots", name="robot", machine_id=99)).status in (404, 422)
    robot = await admin.post("/api/robots", 201, name="robot")
    answer = await admin.ask("PUT", f"/api/robots/{robot['id']}", json={"machine_id": 99})
    assert answer.status in (404, 422)


@pytest.mark.parametrize(
    "info",
    [{"text": "x" * 2_000_000}, {"os": "\x00"}, "text", [1]],
)
async def test_a_machine_tells_no_more_than_can_be_shown(admin, api, info):
    made = await admin.post("/api/machines", 201, name="mill")
    asked = {"machine_key": made["machine_key"], "name": "robot", "machine_info": info}
    answer = await api.ask(
        "POST",
        "/api/runner/register-robot",
        data=io.BytesIO(json.dumps(asked).encode()),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status in (400, 413, 422)
    assert await admin.get("/api/robots") == []


@pytest.mark.parametrize("robot_id", ["1", True, 1.5, 0, 99])
async def test_a_robot_speaks_for_itself_with_a_number(admin, robot_id):
    robot = await admin.make_robot()
    answer = await robot.post("/api/runner/heartbeat", robot_id=robot_id)
    assert answer.status in (403, 422)


async def test_a_beat_by_hand_renews_no_lease(admin, clock):
    robot = await admin.make_robot()
    job = await admin.make_job(await admin.make_process())
    await robot.post("/api/runner/next-job", 200)
    clock.advance(seconds=30)
    before = await admin.get(f"/api/jobs/{job['id']}/attempts")
    await admin.post("/api/robots/1/heartbeat", 200)
    assert await admin.get(f"/api/jobs/{job['id']}/attempts") == before


# -- jobs


async def test_a_job_needs_a_process_that_is_there_and_works(admin):
    process = await admin.make_process()
    path = f"/api/processes/{process['id']}"
    assert (await admin.post("/api/jobs", process_id=99)).status in (404, 422)
    await admin.ask("PUT", path, status=200, json={"is_active": False})
    assert (await admin.post("/api/jobs", process_id=process["id"])).status == 409
    await admin.ask("PUT", path, status=200, json={"is_active": True})
    await admin.post("/api/jobs", 201, process_id=process["id"])


async def test_a_job_needs_a_robot_that_is_there(admin):
    process = await admin.make_process()
    robot = await admin.post("/api/robots", 201, name="robot")
    asked = {"process_id": process["id"], "robot_id": robot["id"]}
    assert (await admin.post("/api/jobs", process_id=process["id"], robot_id=99)).status in (
        404,
        422,
    )
    assert (await admin.post("/api/jobs", **asked)).status == 201
    other = await admin.post("/api/machines", 201, name="mill")
    assert (await admin.post("/api/jobs", **asked, machine_id=other["id"])).status in (409, 422)


@pytest.mark.parametrize(
    ("attempt", "status"), [(0, 422), (-1, 422), (2, 409), ("1", 422), (2**63, 400)]
)
async def test_an_attempt_that_is_not_the_one_is_refused(admin, attempt, status):
    robot = await admin.make_robot()
    job = await admin.make_job(await admin.make_process())
    await robot.post("/api/runner/next-job", 200)
    answer = await robot.post(
        f"/api/runner/jobs/{job['id']}/update", status="completed", attempt=attempt
    )
    assert (answer.status, (await admin.get(f"/api/jobs/{job['id']}"))["status"]) == (
        status,
        "running",
    )


@pytest.mark.parametrize("status", ["running", "canceled", None, "", "done", 1])
async def test_a_robot_reports_an_end_and_nothing_else(admin, status):
    robot = await admin.make_robot()
    job = await admin.make_job(await admin.make_process())
    await robot.post("/api/runner/next-job", 200)
    answer = await robot.post(f"/api/runner/jobs/{job['id']}/update", status=status, attempt=1)
    assert answer.status == 422


async def test_a_whole_log_beyond_the_limit_is_cut(admin, server):
    robot = await admin.make_robot()
    job = await admin.make_job(await admin.make_process())
    await robot.post("/api/runner/next-job", 200)
    await admin.ask("PUT", "/api/settings/jobs", status=200, json={"log_limit_bytes": 65536})
    await server[SETTINGS].refresh(server[DATABASE])
    answer = await robot.post(
        f"/api/runner/jobs/{job['id']}/update", status="completed", logs="x" * 200_000
    )
    assert answer.status == 200
    log = await admin.get(f"/api/jobs/{job['id']}/logs")
    assert b"truncated at 65,536 bytes" in log
    assert len(log) < 66_000


@pytest.mark.parametrize("key", ["", "k" * 65, "a b", "é", "k\n"])
async def test_a_claim_key_is_short_and_plain(admin, key):
    robot = await admin.make_robot()
    assert (await robot.post("/api/runner/next-job", claim_key=key)).status == 422


# -- queues, assets, audit


async def test_a_secret_is_not_found_by_what_it_holds(admin):
    await admin.post("/api/assets", 201, name="api", type="secret", value="sesame-open")
    for searched in ("sesame", "***", "sesame-open"):
        assert await admin.get("/api/assets", params={"search": searched}) == []


@pytest.mark.parametrize("username", ["x" * 10_000, 'a","password":"b', "a\nb", 7, {"a": 1}])
async def test_the_user_of_a_credential_is_a_text_of_one_line(admin, username):
    answer = await admin.post(
        "/api/assets", name="erp", type="credential", value="sesame", username=username
    )
    if answer.status == 201:
        assert answer.body["username"] == username
        assert answer.body["value"] == "***"
    else:
        assert answer.status == 422


async def test_what_a_client_calls_itself_is_cut_in_the_trail(admin):
    headers = {"User-Agent": "<script>é" + "x" * 1000}
    await admin.ask("POST", "/api/machines", status=201, json={"name": "mill"}, headers=headers)
    [event] = (await admin.get("/api/audit?entity_type=machine"))["items"]
    assert event["user_agent"] == ("<script>" + "?" + "x" * 1000)[:256]
