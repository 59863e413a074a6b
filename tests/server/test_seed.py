"""The first description of the API, line by line: a client that knows nothing else gets along."""

import aiohttp
import pytest

from orchestrator_server.app import ROUTES
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.http.routes import is_list
from tests.support.world import archive

ENDPOINTS = """
GET /api/machines; POST /api/machines; GET /api/machines/7; DELETE /api/machines/7
GET /api/robots?search=a&status=online; GET /api/robots/7; POST /api/robots; PUT /api/robots/7
DELETE /api/robots/7; POST /api/robots/7/heartbeat
GET /api/jobs?status=pending&process_id=1&robot_id=1; GET /api/jobs/7; POST /api/jobs
PUT /api/jobs/7; POST /api/jobs/7/cancel
GET /api/queues?search=a&active_only=true; GET /api/queues/7; POST /api/queues; PUT /api/queues/7
DELETE /api/queues/7
GET /api/queue-items?queue_id=1&status=new; GET /api/queue-items/7; POST /api/queue-items
PUT /api/queue-items/7; DELETE /api/queue-items/7
GET /api/access/roles; GET /api/access/roles/77; POST /api/access/roles; PUT /api/access/roles/77
DELETE /api/access/roles/77; GET /api/access/users; GET /api/access/users/7/roles
POST /api/access/users/7/roles
GET /api/audit?from_time=2030-01-01T00:00:00Z&to_time=2031-01-01T00:00:00Z&user=a&username=a
GET /api/audit?from=2030-01-01&to=2031-01-01T00:00:00&user_id=1&action=created&q=a
GET /api/audit?action_type=login&entity_type=job&entity_id=1&search=a&page=1&page_size=10
GET /api/audit/7; GET /api/settings; GET /api/settings/general; PUT /api/settings/general
GET /api/packages; GET /api/packages/7; PUT /api/packages/7; DELETE /api/packages/7
GET /api/processes; GET /api/processes/7; POST /api/processes; PUT /api/processes/7
DELETE /api/processes/7; GET /api/assets?search=a; GET /api/assets/7; POST /api/assets
PUT /api/assets/7; DELETE /api/assets/7; GET /api/dashboard/overview; GET /api/auth/me
"""
EACH = [line.strip() for line in ENDPOINTS.replace("\n", ";").split(";") if line.strip()]


@pytest.mark.parametrize("endpoint", EACH)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_of_its_endpoints_is_there(admin, endpoint):
    method, path = endpoint.split()
    body = {} if method == "GET" else {"json": {}}
    answer = await admin.ask(method, path, **body)
    assert answer.status in (200, 404, 422), answer.body
    if answer.status == 404:  # no such thing, and not: no such address
        assert answer.body["type"] == "/problems/not-found"
        assert not answer.body["detail"].startswith("There is nothing at ")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_date_without_a_time_is_told_apart_from_a_time(admin):
    answer = await admin.ask("GET", "/api/audit?from=2030-01-01")
    assert answer.status == 422


async def test_its_examples_work_as_they_are_written(admin):
    form = aiohttp.FormData()
    form.add_field("file", archive(), filename="my_package_1.0.0.zip")
    package = await admin.ask("POST", "/api/packages/upload", status=201, data=form)
    wanted = {"name": "p", "package_id": package["id"], "script_path": "main.py"}
    process = await admin.post("/api/processes", 201, **wanted)
    body = {"process_id": process["id"], "parameters": {"foo": "bar"}}
    job = await admin.post("/api/jobs", 201, **body)
    assert job["status"] == "pending"


async def test_a_robot_that_sends_only_its_fields_runs_a_job(admin, api):
    machine = await admin.post("/api/machines", 201, name="host", mode="runner")
    answer = await api.post(
        "/api/runner/register-robot",
        200,
        name="robot",
        machine_key=machine["machine_key"],
        machine_info={"os": "linux"},
    )
    robot = api.as_(**{"X-Robot-Token": answer["api_token"]})
    job = await admin.make_job(await admin.make_process())
    beat = await robot.post("/api/runner/heartbeat", 200, robot_id=answer["robot_id"])
    assert beat["status"] == "ok"
    claimed = (await robot.post("/api/runner/next-job", 200, robot_id=answer["robot_id"]))["job"]
    assert (claimed["id"], claimed["status"]) == (job["id"], "running")
    said = {"status": "completed", "result": {"ok": True}, "logs": "all of it"}
    done = await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, **said)
    assert done["status"] == "ok"
    assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "completed"


LISTS = [
    route.path
    for route in ROUTES
    if route.method == "GET" and route.may and not route.ids and is_list(route.gives)
]


@pytest.mark.parametrize("path", [*LISTS, "/api/audit", "/api/audit?user=admin",
                                  "/api/dashboard/overview"])  # fmt: skip
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_list_asks_the_database_three_things_at_most(admin, path, monkeypatch):
    process = await admin.make_process()
    for number in range(12):
        await admin.make_job(process)
        await admin.make_robot(f"robot {number}")
        await admin.post("/api/queues", 201, name=f"queue {number}")
    asked = []
    fetch = Transaction.all

    def counted(tx, query, type_, **params):
        asked.append(query.name)
        return fetch(tx, query, type_, **params)

    monkeypatch.setattr(Transaction, "all", counted)
    await admin.get(path)
    of_the_list = [name for name in asked if "access:signed_in" not in name
                   and "settings:" not in name and "jobs:waiting" not in name
                   and name.rsplit(":")[-1] not in ("chain_ends", "newest_linked", "unlinked",
                                                    "lease_ended", "too_late")]  # fmt: skip
    assert len(of_the_list) <= 3, of_the_list
