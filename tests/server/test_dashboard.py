"""How things stand, for people and for monitoring."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator_server.dashboard.service import Gauges
from orchestrator_server.http.metrics import Metrics


async def test_the_dashboard_counts_what_there_is(admin, clock):
    process = await admin.make_process()
    await admin.make_process("other")
    for _ in range(2):
        await admin.make_job(process)
    clock.advance(days=1)
    admin = await admin.sign_in()
    jobs = [await admin.make_job(process, priority=9) for _ in range(12)]
    online, _ = await admin.make_robot("online"), await admin.make_robot("offline")
    for status in ("completed", "failed"):
        claimed = (await online.post("/api/runner/next-job", 200))["job"]
        await online.post(f"/api/runner/jobs/{claimed['id']}/update", 200, status=status)
    await online.post("/api/runner/next-job", 200)
    await online.post("/api/runner/heartbeat", 200)
    queue = await admin.post("/api/queues", 201, name="bills")
    await admin.post("/api/queue-items", 201, queue_id=queue["id"], payload={})
    told = await admin.get("/api/dashboard/overview")
    assert told["summary"] == {
        "total_robots": 2, "online_robots": 1, "offline_robots": 1,
        "jobs_today_total": 12, "jobs_today_success": 1, "jobs_today_failed": 1,
        "running_jobs": 1, "pending_jobs": 11, "total_processes": 2, "active_processes": 2,
        "queue_items_open": 1,
    }  # fmt: skip
    assert len(told["recent_jobs"]) == 10
    assert told["recent_jobs"][0]["id"] == jobs[-1]["id"]
    assert {robot["name"] for robot in told["robots"]} == {"online", "offline"}


async def test_the_day_begins_where_the_settings_say(admin, clock):
    process = await admin.make_process()
    clock.advance(hours=21)
    admin = await admin.sign_in()
    await admin.make_job(process)  # three hours before midnight in Greenwich
    clock.advance(hours=4)

    async def today():
        return (await admin.get("/api/dashboard/overview"))["summary"]["jobs_today_total"]

    assert await today() == 0
    await admin.ask(
        "PUT", "/api/settings/general", status=200, json={"timezone": "America/New_York"}
    )
    assert await today() == 1


async def test_the_name_and_the_address_of_the_server_are_settings(admin, api):
    changes = {"instance_name": "Mill", "public_url": "https://robots.example.com"}
    await admin.ask("PUT", "/api/settings/general", status=200, json=changes)
    about = await api.get("/")
    assert about["instance_name"] == "Mill"
    assert about["links"]["docs"] == "https://robots.example.com/docs"
    assert (await admin.get("/api/dashboard/overview"))["instance_name"] == "Mill"


def sample(text, name, **labels):
    for family in text_string_to_metric_families(text):
        for found in family.samples:
            if found.name == name and labels.items() <= found.labels.items():
                return found.value
    return None


async def test_monitoring_reads_numbers_with_a_token(admin, api):
    made = await admin.post("/api/access/tokens", 201, name="m", scopes=["dashboard:view"])
    await admin.make_job(await admin.make_process())
    assert (await api.ask("GET", "/metrics")).status == 401
    monitor = api.as_(Authorization=f"Bearer {made['token']}")
    answer = await monitor.ask("GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    assert sample(text, "runwright_jobs", status="pending") == 1
    asked = {"method": "POST", "route": "/api/jobs", "status": "201"}
    assert sample(text, "runwright_http_requests_total", **asked) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_strangers_cannot_make_new_labels(admin, api):
    for number in range(50):
        await api.ask("GET", f"/api/jobs/{number + 1}")
        await api.ask("GET", f"/nothing/{number}")
    text = (await admin.get("/metrics")).decode()
    assert sample(text, "runwright_http_requests_total", route="other", status="404") == 50
    assert sample(text, "runwright_http_requests_total", route="/api/jobs/{job_id}") == 50
    assert "/nothing" not in text


def test_a_method_that_nobody_knows_is_other():
    metrics = Metrics()
    metrics.observe("BREW", None, 405, 0.1)
    text = metrics.render(Gauges(0, 0, 0, 0, 0, 0), waiting_robots=3, loop_late_seconds=0).decode()
    assert sample(text, "runwright_http_requests_total", method="other", route="other") == 1
    assert sample(text, "runwright_waiting_robots") == 3
