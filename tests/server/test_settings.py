"""Settings: what may be set, what is refused, and that each has an effect."""

import json

import pytest
import structlog

from orchestrator_server import log
from orchestrator_server.http.keys import DATABASE, KEYS, LOGS, OBJECTS, SETTINGS
from orchestrator_server.maintenance.old_things import OldThings
from orchestrator_server.settings import service
from sdk.contract.settings import Settings


async def change(admin, group, status=200, **keys):
    return await admin.ask("PUT", f"/api/settings/{group}", status=status, json=keys)


async def test_every_group_can_be_read_alone_and_with_the_others(admin):
    everything = await admin.get("/api/settings")
    assert set(everything) == {"general", "security", "jobs", "email", "logging"}
    for group, settings in everything.items():
        assert await admin.get(f"/api/settings/{group}") == settings
    assert (await admin.ask("GET", "/api/settings/colours")).status == 404


async def test_a_change_keeps_what_it_does_not_name_and_is_audited(admin):
    changed = await change(admin, "jobs", heartbeat_seconds=20)
    assert (changed["heartbeat_seconds"], changed["lease_seconds"]) == (20, 60)
    [event] = (await admin.get("/api/audit?entity_type=settings"))["items"]
    details = await admin.get(f"/api/audit/{event['id']}")
    assert details["before"]["heartbeat_seconds"] == 10
    assert details["after"]["heartbeat_seconds"] == 20


@pytest.mark.parametrize(
    ("group", "keys", "pointer"),
    [
        ("jobs", {"heartbeat_seconds": 30}, "#/lease_seconds"),
        ("jobs", {"heartbeat_seconds": 20, "robot_offline_seconds": 30}, "#/robot_offline_seconds"),
        ("jobs", {"lease_seconds": 20}, "#/lease_seconds"),
        ("jobs", {"lease_seconds": "60"}, "#/lease_seconds"),
        ("jobs", {"lease_minutes": 1}, "#"),
        ("security", {"registration_enabled": "yes"}, "#/registration_enabled"),
        ("security", {"password_min_length": 4}, "#/password_min_length"),
        ("general", {"timezone": "Mars/Olympus"}, "#/timezone"),
        ("general", {"public_url": "ftp://here"}, "#/public_url"),
        ("email", {"enabled": True}, "#/host"),
        ("email", {"from_address": "nobody"}, "#/from_address"),
    ],
)
async def test_what_does_not_fit_changes_nothing(admin, group, keys, pointer):
    before = await admin.get("/api/settings")
    answer = await change(admin, group, 422, **keys)
    assert answer["errors"][0]["pointer"] == pointer
    assert await admin.get("/api/settings") == before


async def test_one_bad_key_keeps_the_good_ones_out(admin):
    await change(admin, "jobs", 422, heartbeat_seconds=15, lease_seconds=1)
    assert (await admin.get("/api/settings/jobs"))["heartbeat_seconds"] == 10


async def test_the_email_password_is_never_read_back_or_stored_as_it_is(admin, server):
    secret = "canary-of-the-mail-server"
    shown = await change(admin, "email", password=secret, username="robot")
    assert shown["password"] == "***"
    await change(admin, "email", password="***", from_address="other@example.com")
    for path in ("/api/settings", "/api/settings/email", "/api/audit"):
        assert secret not in str(await admin.get(path))
    stored = (await server[DATABASE].read(service.read)).email.password
    assert secret not in stored
    from orchestrator_server.http.keys import SEALER

    assert server[SEALER].open(stored, service.PASSWORD) == secret
    assert (await change(admin, "email", password=None))["password"] is None


async def test_another_servers_change_is_seen_after_a_refresh(admin, server):
    await change(admin, "jobs", heartbeat_seconds=20)
    server[SETTINGS].use(Settings())  # a server that has not heard of it
    await server[SETTINGS].refresh(server[DATABASE])
    assert server[SETTINGS].jobs.heartbeat_seconds == 20


async def test_heartbeat_lease_and_grace_reach_the_robot(admin):
    await change(admin, "jobs", lease_seconds=300, heartbeat_seconds=25, cancel_grace_seconds=7)
    robot = await admin.make_robot()
    beat = await robot.post("/api/runner/heartbeat", 200)
    assert beat["lease_seconds"] == 300
    assert beat["settings"] == {
        "heartbeat_seconds": 25,
        "cancel_grace_seconds": 7,
        "log_limit_bytes": 16 * 1024 * 1024,
    }


async def test_a_robot_is_offline_after_the_silence_that_is_set(admin, clock):
    await change(admin, "jobs", robot_offline_seconds=100)
    robot = await admin.make_robot()
    await robot.post("/api/runner/heartbeat", 200)
    clock.advance(seconds=99)
    assert [r["status"] for r in await admin.get("/api/robots")] == ["online"]
    clock.advance(seconds=2)
    assert [r["status"] for r in await admin.get("/api/robots")] == ["offline"]


async def test_a_log_ends_at_the_limit_that_is_set(admin):
    await change(admin, "jobs", log_limit_bytes=1024)
    job = await admin.make_job(await admin.make_process())
    robot = await admin.make_robot()
    await robot.post("/api/runner/next-job", 200)
    answer = await robot.ask(
        "POST",
        f"/api/runner/jobs/{job['id']}/logs?attempt=1&offset=0",
        status=200,
        data=b"x" * 2000,
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer["truncated"] is True
    assert b"truncated at 1,024 bytes" in await admin.get(f"/api/jobs/{job['id']}/logs")


async def clean_up(server):
    old_things = OldThings(
        server[DATABASE], server[SETTINGS], server[LOGS], server[KEYS], server[OBJECTS]
    )
    await old_things.run_once()


async def an_ended_job(admin):
    job = await admin.make_job(await admin.make_process())
    robot = await admin.make_robot()
    await robot.post("/api/runner/next-job", 200)
    said = {"status": "completed", "logs": "done"}
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, **said)
    return job


async def test_jobs_are_kept_as_long_as_is_set(admin, server, clock):
    job = await an_ended_job(admin)
    await clean_up(server)  # 0 days: for ever
    await change(admin, "jobs", retention_days=30)
    clock.advance(days=29)
    await clean_up(server)
    admin = await admin.sign_in()
    assert await admin.get(f"/api/jobs/{job['id']}")
    clock.advance(days=2)
    await clean_up(server)
    admin = await admin.sign_in()
    assert (await admin.ask("GET", f"/api/jobs/{job['id']}")).status == 404
    assert await server[LOGS].read(job["id"], 1, 0) == b""


async def test_logs_are_kept_as_long_as_is_set(admin, server, clock):
    job = await an_ended_job(admin)
    await change(admin, "logging", job_log_retention_days=7)
    clock.advance(days=6)
    await clean_up(server)
    assert await server[LOGS].read(job["id"], 1, 0) == b"done"
    clock.advance(days=2)
    await clean_up(server)
    assert await server[LOGS].read(job["id"], 1, 0) == b""
    admin = await admin.sign_in()
    assert (await admin.get(f"/api/jobs/{job['id']}"))["status"] == "completed"


async def test_level_and_format_of_the_log_follow_the_settings(admin, server, capfd):
    await change(admin, "logging", level="WARNING", format="json")
    structlog.get_logger("orchestrator_server.test").info("too quiet")
    structlog.get_logger("orchestrator_server.test").warning("heard", why="because")
    written = capfd.readouterr().err
    assert "too quiet" not in written
    assert json.loads(written.splitlines()[-1])["event"] == "heard"
    await change(admin, "logging", level="INFO", format="console")


async def test_each_request_is_logged_where_that_is_wanted_and_never_its_query(admin, capfd):
    await change(admin, "logging", level="DEBUG", format="json")
    await admin.get("/api/jobs?search=canary")
    await change(admin, "logging", level="INFO", format="console")
    written = capfd.readouterr().err
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    [asked] = [line for line in lines if line.get("path") == "/api/jobs"]
    assert (asked["event"], asked["method"], asked["status"]) == ("request", "GET", 200)
    assert "canary" not in written
    await admin.get("/api/jobs")
    assert "/api/jobs" not in capfd.readouterr().err


def test_no_local_variable_is_ever_logged(capfd):
    log.configure("console", "INFO")
    try:
        password = "canary-in-a-variable"
        raise RuntimeError(f"a bug near {len(password)} characters")
    except RuntimeError:
        structlog.get_logger("orchestrator_server.test").exception("failed")
    written = capfd.readouterr().err
    assert "a bug near" in written
    assert "canary" not in written.replace('password = "canary-in-a-variable"', "")


@pytest.mark.parametrize("apart_seconds", [1, 0])  # those of one unit end at one moment
async def test_a_step_removes_some_logs_and_the_next_one_the_next(
    admin, server, clock, monkeypatch, apart_seconds
):
    monkeypatch.setattr("orchestrator_server.maintenance.old_things.BATCH", 2)
    process, robot = await admin.make_process(), await admin.make_robot()
    for _ in range(5):
        await admin.make_job(process)
        job = (await robot.post("/api/runner/next-job", 200))["job"]
        said = {"status": "completed", "logs": "done"}
        await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, **said)
        clock.advance(seconds=apart_seconds)
    await change(admin, "logging", job_log_retention_days=1)
    clock.advance(days=2)
    old_things = OldThings(
        server[DATABASE], server[SETTINGS], server[LOGS], server[KEYS], server[OBJECTS]
    )

    async def kept():
        logs = [await server[LOGS].read(number, 1, 0) for number in range(1, 6)]
        return sum(bool(log) for log in logs)

    left = []
    for _ in range(4):
        is_more = await old_things.run_once()
        left.append((await kept(), is_more))
    assert left == [(3, True), (1, True), (0, False), (0, False)]


async def a_clerk(admin, api):
    """Somebody with the right to edit settings and no other."""
    permissions = [{"artifact": "settings", "can_edit": True}]
    role = await admin.post("/api/access/roles", 201, name="Clerk", permissions=permissions)
    wanted = {"username": "clerk", "password": "correct horse battery", "role_ids": [role["id"]]}
    await admin.post("/api/access/users", 201, **wanted)
    return await api.sign_in("clerk")


MAIL = {
    "host": "mail.example",
    "port": 25,
    "username": "mailer",
    "password": "smtp password",
    "from_address": "robots@mail.example",
}


@pytest.mark.parametrize(
    ("group", "keys"),
    [
        *(("email", {name: value}) for name, value in MAIL.items()),
        ("email", {"tls": "none"}),
        ("security", {"password_min_length": 8}),
        ("security", {"registration_enabled": True}),
        ("general", {"public_url": "https://evil.example"}),
        ("general", {"public_url": "https://evil.example", "instance_name": "x"}),
    ],
)
async def test_what_could_make_one_an_administrator_is_set_by_administrators(
    admin, api, group, keys
):
    clerk = await a_clerk(admin, api)
    before = await admin.get("/api/settings")
    await change(clerk, group, 403, **keys)
    assert await admin.get("/api/settings") == before
    await change(admin, group, **keys)


async def test_other_settings_are_set_by_those_who_may_edit_settings(admin, api):
    clerk = await a_clerk(admin, api)
    await change(clerk, "general", instance_name="x", timezone="Europe/Berlin")
    await change(clerk, "jobs", retention_days=3)
    await change(clerk, "security", **(await admin.get("/api/settings/security")))
    await change(clerk, "email", password="***")  # as it was read


@pytest.mark.parametrize(
    "elsewhere", [{"host": "evil.example"}, {"port": 2525}, {"tls": "none"}, {"username": "x"}]
)
async def test_a_stored_mail_password_does_not_follow_to_another_server(admin, elsewhere):
    stored = await change(admin, "email", **MAIL)
    assert stored["password"] == "***"
    assert (await change(admin, "email", **{**stored, "from_address": "a@b"}))["password"] == "***"
    moved = await change(admin, "email", **{**elsewhere, "password": "***"})
    assert moved["password"] is None
    again = await change(admin, "email", **MAIL, enabled=False)
    assert again["password"] == "***"
