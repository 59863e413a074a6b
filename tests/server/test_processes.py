"""Processes: what runs under a name, in versions; jobs go on with what they pinned."""

import asyncio
from datetime import UTC, datetime

import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import CHANGES, DATABASE
from orchestrator_server.processes import changes
from tests.support.world import archive

LIMIT = {"limit": 5}

DEEP = {}
for _ in range(25):
    DEEP = {"items": DEEP}
TYPED = "def main(customer: str, limit: int = 10):\n    '''Bill them.'''\n"


async def edit(admin, process, status=200, headers=None, **wanted):
    path = f"/api/processes/{process['id']}"
    return await admin.ask("PUT", path, status=status, json=wanted, headers=headers or {})


async def test_a_process_is_versioned_by_what_would_run(admin):
    process = await admin.make_process()
    assert process["version"] == 1
    process = await edit(admin, process, description="bills", priority=5)
    assert (process["version"], process["priority"]) == (1, 5)
    changes = ({"default_parameters": {"a": 1}}, {"labels": ["gpu"]}, {"start": "warm"})
    for version, change in enumerate(changes, start=2):
        assert (await edit(admin, process, **change))["version"] == version
        assert (await edit(admin, process, **change))["version"] == version


async def test_a_job_runs_what_it_pinned_though_its_process_moved_on(admin):
    process = await admin.make_process(default_parameters={"a": 1})
    job = await admin.make_job(process)
    newer = await admin.upload("hello", "1.10.0", archive(main="2", other="3"))
    await admin.upload("hello", "1.9.0", archive(main="9"))
    upgraded = await admin.post(f"/api/processes/{process['id']}/upgrade", 200)
    assert (upgraded["package_id"], upgraded["version"]) == (newer["id"], 2)
    assert await admin.post(f"/api/processes/{process['id']}/upgrade", 200) == upgraded
    robot = await admin.make_robot()
    claimed = (await robot.post("/api/runner/next-job", 200))["job"]
    assert (claimed["id"], claimed["package"]["version"]) == (job["id"], "1.0.0")
    assert (await admin.get(f"/api/jobs/{job['id']}"))["process_version"] == 1


async def test_an_upgrade_needs_an_active_version_with_the_script(admin):
    process = await admin.make_process()
    await admin.upload("hello", "2.0.0", archive(other="1"))
    answer = await admin.post(f"/api/processes/{process['id']}/upgrade", 422)
    assert "no script main.py" in answer["detail"]
    for package in await admin.get("/api/packages"):
        path = f"/api/packages/{package['id']}"
        await admin.ask("PUT", path, status=200, json={"is_active": False})
    await admin.post(f"/api/processes/{process['id']}/upgrade", 409)


async def test_an_inactive_process_makes_no_jobs_and_its_waiting_ones_are_not_claimed(admin):
    process = await admin.make_process()
    job = await admin.make_job(process)
    await edit(admin, process, is_active=False)
    assert (await admin.post("/api/jobs", process_id=process["id"])).status == 409
    robot = await admin.make_robot()
    assert (await robot.post("/api/runner/next-job", 200))["job"] is None
    explained = await admin.get(f"/api/jobs/{job['id']}/explain")
    assert explained["limits"] == ["Process hello is not active."]
    assert await admin.get("/api/processes?active_only=true") == []
    await edit(admin, process, is_active=True)
    assert (await robot.post("/api/runner/next-job", 200))["job"]["id"] == job["id"]


async def typed(admin):
    package = await admin.upload("hello", "1.0.0", archive(main=TYPED))
    wanted = {"name": "hello", "package_id": package["id"], "script_path": "main.py:main"}
    return await admin.post("/api/processes", 201, **wanted)


async def test_a_script_that_is_run_as_a_whole_takes_any_parameters(admin):
    process = await admin.make_process(content=archive(main=TYPED))
    assert process["parameters_schema"] is None
    await edit(admin, process, 422, script_path="main.py:missing")
    assert (await edit(admin, process, script_path="main.py:main"))["parameters_schema"]


async def test_parameters_must_fit_the_function_that_is_called(admin):
    process = await typed(admin)
    assert process["parameters_schema"] == {
        "type": "object",
        "properties": {
            "customer": {"type": "string"},
            "limit": {"type": "integer", "default": 10},
        },
        "required": ["customer"],
        "additionalProperties": False,
    }
    for parameters, pointer in (
        ({}, "#/parameters"),
        ({"customer": 7}, "#/parameters/customer"),
        ({"customer": "a", "limit": "x"}, "#/parameters/limit"),
        ({"customer": "a", "limti": 1}, "#/parameters"),
    ):
        answer = await admin.post("/api/jobs", 422, process_id=process["id"], parameters=parameters)
        assert answer["errors"][0]["pointer"] == pointer
    await admin.make_job(process, parameters={"customer": "a"})
    process = await edit(admin, process, default_parameters={"customer": "all"})
    assert (await admin.make_job(process))["parameters"] == {"customer": "all"}


async def test_a_schema_written_by_hand_stays_when_the_package_changes(admin):
    process = await typed(admin)
    by_hand = {"type": "object", "properties": {"customer": {"enum": ["a"]}}}
    await edit(admin, process, parameters_schema=by_hand)
    await admin.upload("hello", "2.0.0", archive(main="def main(): pass"))
    upgraded = await admin.post(f"/api/processes/{process['id']}/upgrade", 200)
    assert upgraded["parameters_schema"] == by_hand
    await edit(admin, process, parameters_schema=None)
    await admin.upload("hello", "3.0.0", archive(main="def main(x: int): pass"))
    upgraded = await admin.post(f"/api/processes/{process['id']}/upgrade", 200)
    assert list(upgraded["parameters_schema"]["properties"]) == ["x"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "anyOf": [DEEP]},
        {"type": "object", "properties": {"a": {"pattern": "(a+)+$"}}},
        {"type": "object", "$ref": "https://example.com"},
        {"type": "object", "properties": {"a": {"type": "colour"}}},
    ],
)
async def test_a_schema_that_could_harm_is_refused(admin, schema):
    process = await admin.make_process()
    answer = await edit(admin, process, 422, parameters_schema=schema)
    assert answer["errors"][0]["pointer"].startswith("#/parameters_schema")


async def test_names_are_free_or_refused_and_old_states_too(admin):
    one, two = await admin.make_process("one"), await admin.make_process("two")
    await edit(admin, two, 409, name=" ONE")
    await edit(admin, two, 422, script_path="other.py")
    await edit(admin, two, 404, package_id=999)
    tag = (await admin.ask("GET", f"/api/processes/{one['id']}")).headers["ETag"]
    await edit(admin, one, name="uno", headers={"If-Match": tag})
    await edit(admin, one, 412, name="ein", headers={"If-Match": tag})


async def test_defaults_come_from_the_settings(admin):
    await admin.ask(
        "PUT",
        "/api/settings/jobs",
        status=200,
        json={"default_max_attempts": 3, "default_timeout_seconds": 99},
    )
    process = await admin.make_process()
    assert process["max_attempts"] == 3
    job = await admin.make_job(process)
    assert (job["max_attempts"], job["timeout_seconds"]) == (3, 99)
    own = await admin.make_process("own", max_attempts=1, timeout_seconds=5)
    assert (await admin.make_job(own))["timeout_seconds"] == 5


async def test_nothing_is_made_of_what_is_being_deleted(admin, server):
    from orchestrator_server.doctor.service import sql

    for number in range(12):
        process = await admin.make_process(f"p{number}")
        path, package = f"/api/processes/{process['id']}", process["package_id"]
        new = {"name": f"q{number}", "package_id": package, "script_path": "main.py"}
        made, gone, again, away = await asyncio.gather(
            admin.post("/api/jobs", process_id=process["id"]),
            admin.ask("DELETE", path),
            admin.post("/api/processes", **new),
            admin.ask("DELETE", f"/api/packages/{package}"),
        )
        assert (made.status, gone.status) in ((201, 409), (404, 204))
        assert (again.status, away.status) in ((201, 409), (404, 204))
    found = await server[DATABASE].read(lambda tx: tx._session.fetch(sql.deleted_in_use, LIMIT))
    assert found == []


async def told(robot, since, **more):
    answer = await robot.post(
        "/api/runner/heartbeat", 200, changes_since=since, supports_may_build=True, **more
    )
    return [(one["package"]["name"], one["script_path"]) for one in answer["prepare"]]


async def test_a_beat_without_news_asks_the_database_nothing_and_hears_a_change_at_once(
    admin, server, clock, monkeypatch
):
    robot, process = await admin.make_robot(), await admin.make_process("plain")
    clock.advance(minutes=1)
    since = (await robot.post("/api/runner/heartbeat", 200, jobs=[]))["server_time"]
    await server[CHANGES].refresh(server[DATABASE])
    monkeypatch.setattr(changes, "since", None)  # who asks fails
    assert await told(robot, since, jobs=[]) == []
    monkeypatch.undo()
    await edit(admin, process, is_active=True)
    assert await told(robot, since, jobs=[]) == [("plain", "main.py")]
    clock.advance(minutes=1)
    since = (await robot.post("/api/runner/heartbeat", 200, jobs=[]))["server_time"]
    changed = Query("changed", "UPDATE processes SET updated_at = :now")
    await server[DATABASE].write(lambda tx: tx.run(changed))  # at another server
    await server[CHANGES].refresh(server[DATABASE])
    assert await told(robot, since, jobs=[]) == [("plain", "main.py")]


async def test_a_change_that_comes_while_the_last_one_is_looked_for_is_not_missed(server):
    latest = server[CHANGES]

    class Slow:
        async def read(self, unit):
            latest.forget()
            return changes.LONG_AGO

    await latest.refresh(Slow())
    assert latest.may_be_after(datetime.now(UTC))
    assert not latest.may_be_after(None)


async def test_robots_hear_which_processes_have_changed(admin, clock):
    robot = await admin.make_robot(labels=["gpu"])
    await admin.make_process("old")
    clock.advance(minutes=1)
    since = (await robot.post("/api/runner/heartbeat", 200))["server_time"]
    assert await told(robot, since) == []
    clock.advance(seconds=1)
    plain = await admin.make_process("plain")
    await admin.make_process("fits", labels=["gpu"])
    await admin.make_process("not-for-it", labels=["gpu", "desktop"])
    heard = await told(robot, since)
    assert len(heard) == 2 and {path for _, path in heard} == {"main.py"}
    clock.advance(minutes=1)
    later = (await robot.post("/api/runner/heartbeat", 200))["server_time"]
    assert await told(robot, later) == []
    await edit(admin, plain, is_active=False)
    assert await told(robot, later) == []
    await edit(admin, plain, is_active=True)
    assert len(await told(robot, later)) == 1
    assert len(await told(robot, "0001-01-01T00:00:00Z")) == 3  # and no error


async def test_a_process_may_run_a_function_of_a_script_that_is_too_large_to_be_read(admin):
    content = archive(big="def main(a: int): pass\n" + "#" * 300_000, main="")
    process = await admin.make_process(content=content, script_path="big.py:main")
    assert process["parameters_schema"] is None
    await admin.make_job(process, parameters={"a": "anything"})
    package = process["package_id"]
    for function in ("_hidden", "no name", ""):
        await admin.post(
            "/api/processes", 422, name="x", package_id=package, script_path=f"big.py:{function}"
        )
