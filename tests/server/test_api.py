"""What every route has in common, as a client sees it."""

import asyncio
import io

import pytest
import yarl

from orchestrator_server.http import bodies


async def test_a_job_is_created_and_read(admin):
    process = await admin.make_process()
    job = await admin.make_job(process, parameters={"foo": "bar"})
    assert job["status"] == "pending"
    assert await admin.get(f"/api/jobs/{job['id']}") == job


async def test_a_wrong_type_is_pointed_at(admin):
    answer = await admin.post("/api/jobs", process_id="ten")
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.body["errors"] == [
        {"detail": "Expected `int | null`, got `str`", "pointer": "#/process_id"}
    ]


async def test_a_misspelt_field_is_an_error(admin):
    assert (await admin.post("/api/jobs", process_id=1, parametres={})).status == 422


@pytest.mark.parametrize(
    "query", ["status=lost", "limit=0", "limit=501", "limit=many", "stauts=pending", "cursor=x"]
)
async def test_a_filter_that_makes_no_sense_is_an_error(admin, query):
    assert (await admin.ask("GET", f"/api/jobs?{query}")).status == 422


@pytest.mark.parametrize("query", ["limit=1&limit=2", "status=%00", "search=a%0ab"])
async def test_a_query_that_cannot_be_read_is_malformed(admin, query):
    assert (await admin.ask("GET", f"/api/jobs?{query}")).status == 400


async def test_a_list_is_newest_first_and_comes_in_pages(admin):
    process = await admin.make_process()
    one, two, three = [(await admin.make_job(process))["id"] for _ in range(3)]
    first = await admin.ask("GET", "/api/jobs?status=pending&limit=2")
    assert [job["id"] for job in first.body] == [three, two]
    link, rel = first.headers["Link"].split("; ")
    assert rel == 'rel="next"'
    second = await admin.ask("GET", link.strip("<>"))
    assert [job["id"] for job in second.body] == [one]
    assert "Link" not in second.headers


@pytest.mark.parametrize(
    "id_", ["0", "-1", "01", "+1", "1_000", "1.0", "0x1", "%EF%BC%91", "9223372036854775808",
            "9" * 30, "%201"]
)  # fmt: skip
async def test_what_is_not_an_id_is_not_found(admin, id_):
    answer = await admin.ask("GET", f"/api/jobs/{id_}")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "path",
    [
        "//api/jobs",
        "/API/jobs",
        "/api/jobs/../../etc/passwd",
        "/api/jobs/%2e%2e/users",
        "/api/jobs/..%2f..%2fkeys.json",
    ],
)
async def test_a_path_that_is_spelled_another_way_is_not_found(admin, path):
    async with admin.session.get(
        yarl.URL(admin.url + path, encoded=True), headers=admin.headers
    ) as response:
        assert response.status == 404


async def test_a_trailing_slash_names_the_same_resource(admin):
    assert await admin.get("/api/jobs/") == await admin.get("/api/jobs") == []


async def test_every_answer_carries_its_request_id_and_is_not_to_be_stored_or_framed(api):
    answer = await api.ask("GET", "/api/jobs", headers={"X-Request-Id": "given-by-me"})
    assert answer.body["request_id"] == answer.headers["X-Request-Id"] == "given-by-me"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "Server" not in answer.headers


async def test_no_origin_is_told_that_it_may_read(admin):
    answer = await admin.ask("GET", "/api/jobs", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_options_tells_what_is_possible_without_a_credential(api):
    answer = await api.ask("OPTIONS", "/api/jobs")
    assert (answer.status, answer.body) == (204, b"")
    assert set(answer.headers["Allow"].split(",")) >= {"GET", "POST"}


async def test_another_method_is_told_which_there_are(admin):
    answer = await admin.ask("PATCH", "/api/jobs", headers={"X-HTTP-Method-Override": "GET"})
    assert (answer.status, answer.kind) == (405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(",")) >= {"GET", "POST"}


async def test_a_name_that_is_not_this_server_is_refused(api):
    answer = await api.ask("GET", "/api/health/live", headers={"Host": "evil.example"})
    assert answer.status == 421


async def test_http_of_1991_is_refused(api):
    reader, writer = await asyncio.open_connection("127.0.0.1", yarl.URL(api.url).port)
    writer.write(b"GET /api/health/live\r\n\r\n")
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=1", 415),
        ({"Content-Type": "application/json; charset=utf-7"}, b"{}", 415),
        ({"Content-Type": "application/json; charset=bogus"}, b"{}", 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", 415),
        ({"Content-Type": "application/json"}, b"{", 400),
        ({"Content-Type": "application/json"}, b"", 400),
        ({"Content-Type": "application/json"}, b"\xff", 400),
        ({"Content-Type": "application/json"}, b'{"process_id": 1, "process_id": 2}', 400),
        ({"Content-Type": "application/json"}, b'{"process_id": NaN}', 400),
        ({"Content-Type": "application/json"}, b"[" * 100_000, 400),
        ({"Content-Type": "application/json"}, b'{"process_id": ' + b"9" * 5000 + b"}", 400),
        ({"Content-Type": "application/json"}, b'{"process": "\\u0000"}', 400),
        ({"Content-Type": "application/json"}, b'{"process": "\\ud800"}', 400),
        ({"Content-Type": "application/json; charset=UTF-8"}, b"[1]", 422),
        ({"Content-Type": "application/json"}, b'{"process_id": true}', 422),
        ({"Content-Type": "application/json"}, b'{"process_id": 1.0}', 422),
        ({"Content-Type": "application/json"}, b" " * (1024 * 1024 + 1), 413),
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused_and_nothing_changes(
    admin, headers, content, status
):
    answer = await admin.ask("POST", "/api/jobs", data=io.BytesIO(content), headers=headers)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert await admin.get("/api/jobs") == []


async def test_a_body_without_a_type_is_refused(admin):
    async with admin.session.post(
        admin.url + "/api/jobs",
        data=b"{}",
        headers=admin.headers,
        skip_auto_headers=["Content-Type"],
    ) as response:
        assert response.status == 415


async def test_a_body_in_pieces_is_counted_while_it_comes(admin):
    async def pieces():
        for _ in range(40):
            yield b" " * 65_536

    headers = {"Content-Type": "application/json"}
    answer = await admin.ask("POST", "/api/jobs", data=pieces(), headers=headers)
    assert (answer.status, answer.kind) == (413, "too-large")


async def test_who_may_not_is_told_so_before_the_body_is_read(api):
    answer = await api.ask("POST", "/api/jobs", data=b"{", headers={"Content-Type": "x/y"})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_health_is_public_and_says_what_is_well(api):
    assert await api.get("/api/health/live") == {"status": "ok"}
    ready = await api.get("/api/health/ready")
    assert ready == {
        "status": "ok",
        "parts": {"database": "ok", "storage": "ok", "watchdog": "ok", "loop": "ok"},
    }


async def test_the_openapi_document_names_every_route(api):
    from orchestrator_server.app import ROUTES

    document = await api.get("/openapi.json")
    named = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert named == {(route.method, route.path) for route in ROUTES if route.documented}


async def test_a_body_that_stops_coming_is_given_up(admin, monkeypatch):
    monkeypatch.setattr(bodies, "WINDOW_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", yarl.URL(admin.url).port)
    head = "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    head += f"Authorization: {admin.headers['Authorization']}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_forwarded_address_is_not_believed(admin):
    await admin.ask("GET", "/api/auth/me", headers={"X-Forwarded-For": "1.2.3.4"})
    headers = {"X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4"}
    await admin.ask("POST", "/api/machines", status=201, json={"name": "mill"}, headers=headers)
    [event] = (await admin.get("/api/audit?entity_type=machine"))["items"]
    assert event["ip_address"] == "127.0.0.1"
