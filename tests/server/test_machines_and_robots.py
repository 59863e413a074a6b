"""Machines and robots: keys shown once, names that are one name, presence from real beats."""

import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE


async def register(api, key, name="robot", **said):
    return await api.post("/api/runner/register-robot", name=name, machine_key=key, **said)


async def everything_stored(server):
    """All text that the database holds, to look for secrets in."""
    return str(
        [
            await server[DATABASE].read(
                lambda tx, table=table: tx._session.fetch(
                    Query("all", f"SELECT * FROM {table}"), {}
                )
            )
            for table in ("machines", "robots", "audit_events", "tokens")
        ]
    )


async def test_a_machine_key_is_shown_once_and_only_a_hash_is_kept(admin, server):
    made = await admin.post("/api/machines", 201, name="mill")
    shown = await admin.get(f"/api/machines/{made['id']}")
    assert made["machine_key"].startswith("rw_mky_")
    assert "machine_key" not in shown
    assert made["machine_key"] not in await everything_stored(server)


async def test_a_developers_machine_has_no_key(admin):
    made = await admin.post("/api/machines", 201, name="laptop", mode="agent")
    assert made["machine_key"] is None
    assert (await admin.post("/api/machines", name="x", mode="other")).status == 422


@pytest.mark.parametrize("name", ["MILL", " mill ", "\uff4d\uff49\uff4c\uff4c"])
async def test_a_name_is_taken_however_it_is_spelled(admin, name):
    await admin.post("/api/machines", 201, name="mill")
    answer = await admin.post("/api/machines", name=name)
    assert (answer.status, answer.kind) == (409, "already-exists")


@pytest.mark.parametrize("name", ["", "   ", "x" * 256, "a\nb", "a\u202eb", "a\u200bb", "\ufeff"])
async def test_a_name_that_deceives_is_refused(admin, name):
    assert (await admin.post("/api/machines", name=name)).status == 422
    assert (await admin.post("/api/robots", name=name)).status == 422


async def test_a_robot_registers_with_its_machines_key(admin, api, server):
    machine = await admin.post("/api/machines", 201, name="mill")
    answer = (await register(api, machine["machine_key"])).body
    robot = await admin.get(f"/api/robots/{answer['robot_id']}")
    assert (answer["machine_id"], robot["machine_name"]) == (machine["id"], "mill")
    assert answer["api_token"] not in await everything_stored(server)


@pytest.mark.parametrize("key", [None, "", "rw_mky_x", "rw_mky_" + "0" * 49, "é"])
async def test_without_the_right_key_nobody_registers(admin, api, key):
    await admin.post("/api/machines", 201, name="mill")
    assert (await register(api, key)).status == 401


async def test_a_name_of_another_machine_is_not_given_away(admin, api):
    one = await admin.post("/api/machines", 201, name="one")
    two = await admin.post("/api/machines", 201, name="two")
    await register(api, one["machine_key"])
    answer = await register(api, two["machine_key"])
    assert (answer.status, answer.kind) == (409, "name-taken")
    assert "rw_" not in str(answer.body)


async def test_registering_again_gives_a_new_token_and_the_old_one_dies_at_its_first_use(
    admin, api
):
    machine = await admin.post("/api/machines", 201, name="mill")
    old = (await register(api, machine["machine_key"])).body["api_token"]
    new = (await register(api, machine["machine_key"])).body["api_token"]
    old_robot, new_robot = (api.as_(**{"X-Robot-Token": token}) for token in (old, new))
    await old_robot.post("/api/runner/heartbeat", 200)
    await new_robot.post("/api/runner/heartbeat", 200)
    assert (await old_robot.post("/api/runner/heartbeat")).status == 401
    await new_robot.post("/api/runner/heartbeat", 200)


async def test_the_key_of_a_deleted_machine_is_dead_whatever_is_named_so_later(admin, api):
    machine = await admin.post("/api/machines", 201, name="mill")
    assert (await admin.ask("DELETE", f"/api/machines/{machine['id']}")).status == 204
    await admin.post("/api/machines", 201, name="mill")
    assert (await register(api, machine["machine_key"])).status == 401


async def test_a_machine_with_robots_stays(admin, api):
    machine = await admin.post("/api/machines", 201, name="mill")
    await register(api, machine["machine_key"])
    answer = await admin.ask("DELETE", f"/api/machines/{machine['id']}")
    assert (answer.status, "1 robots" in answer.body["detail"]) == (409, True)


async def test_presence_comes_from_beats_and_goes_with_silence(admin, api, clock):
    machine = await admin.post("/api/machines", 201, name="mill")
    registered = (await register(api, machine["machine_key"])).body
    robot = api.as_(**{"X-Robot-Token": registered["api_token"]})
    path = f"/api/robots/{registered['robot_id']}"
    assert (await admin.get(path))["status"] == "offline"
    answer = await robot.post("/api/runner/heartbeat", 200)
    assert answer["lease_seconds"] == 60
    assert (await admin.get(path))["status"] == "online"
    assert (await admin.get(f"/api/machines/{machine['id']}"))["status"] == "connected"
    assert len(await admin.get("/api/robots?status=online")) == 1
    clock.advance(seconds=60)
    assert (await admin.get(path))["status"] == "offline"
    assert len(await admin.get("/api/robots?status=offline")) == 1
    assert (await admin.post(f"{path}/heartbeat", 200))["status"] == "online"


@pytest.mark.parametrize("search", ["%25", "_", "' OR 1=1--", "\\", "nobody"])
async def test_a_search_is_taken_literally(admin, search):
    await admin.post("/api/robots", 201, name="robot")
    assert await admin.get(f"/api/robots?search={search}") == []
    assert len(await admin.get("/api/robots?search=OBO")) == 1


async def test_a_robot_that_runs_a_job_stays(admin):
    process = await admin.make_process()
    await admin.make_job(process)
    robot = await admin.make_robot()
    await robot.post("/api/runner/next-job", 200)
    [shown] = await admin.get("/api/robots")
    assert shown["current_job_id"] == 1
    assert (await admin.ask("DELETE", f"/api/robots/{shown['id']}")).status == 409
    await admin.post("/api/jobs/1/cancel", 200)
    assert (await admin.ask("DELETE", f"/api/robots/{shown['id']}")).status == 204
    assert (await robot.post("/api/runner/heartbeat")).status == 401


@pytest.mark.parametrize("token", ["x", "é", "rw_rbt_" + "0" * 49, "\udcff"])
async def test_what_is_not_a_robots_token_is_refused(api, token):
    answer = await api.as_(**{"X-Robot-Token": token}).post("/api/runner/heartbeat")
    assert answer.status == 401


async def test_a_token_speaks_for_its_own_robot_only(admin):
    robot = await admin.make_robot()
    assert (await robot.post("/api/runner/heartbeat", robot_id=999)).status == 403
    assert (await robot.post("/api/runner/next-job", robot_id=999)).status == 403


async def edit(admin, robot, status=200, **changes):
    return await admin.ask("PUT", f"/api/robots/{robot['id']}", status=status, json=changes)


async def test_a_machine_key_is_renewed_with_an_overlap(admin, api, clock):
    machine = await admin.post("/api/machines", 201, name="host")
    renewed = await admin.post(f"/api/machines/{machine['id']}/key", 201)
    assert renewed["previous_until"] == "2030-01-01T01:00:00Z"

    async def register(name, key):
        answer = await api.post("/api/runner/register-robot", name=name, machine_key=key)
        return answer.status

    assert await register("a", machine["machine_key"]) == 200
    assert await register("b", renewed["machine_key"]) == 200
    clock.advance(hours=1)
    assert await register("c", machine["machine_key"]) == 401
    assert await register("d", renewed["machine_key"]) == 200
    shown = await admin.get(f"/api/machines/{machine['id']}")
    assert shown["key_hint"] == f"rw_mky_…{renewed['machine_key'][-4:]}"
    for key in (machine["machine_key"], renewed["machine_key"]):
        assert key not in str(await admin.get("/api/audit"))


async def test_the_overlap_is_a_setting(admin, api):
    await admin.ask(
        "PUT", "/api/settings/security", status=200, json={"rotation_overlap_minutes": 0}
    )
    machine = await admin.post("/api/machines", 201, name="host")
    await admin.post(f"/api/machines/{machine['id']}/key", 201)
    answer = await api.post(
        "/api/runner/register-robot", name="a", machine_key=machine["machine_key"]
    )
    assert answer.status == 401


async def test_a_developers_machine_has_no_key_to_renew(admin):
    machine = await admin.post("/api/machines", 201, name="laptop", mode="agent")
    await admin.post(f"/api/machines/{machine['id']}/key", 409)


async def test_a_robots_token_is_renewed_and_the_one_before_dies_at_its_first_use(admin, api):
    robot = await admin.post("/api/robots", 201, name="robot")
    old = api.as_(**{"X-Robot-Token": robot["api_token"]})
    await admin.post(f"/api/robots/{robot['id']}/token", 201)  # this one is lost on its way
    renewed = await admin.post(f"/api/robots/{robot['id']}/token", 201)
    await old.post("/api/runner/heartbeat", 200)
    new = api.as_(**{"X-Robot-Token": renewed["api_token"]})
    await new.post("/api/runner/heartbeat", 200)
    assert (await old.post("/api/runner/heartbeat")).status == 401


async def test_a_paused_robot_gets_nothing_until_it_is_resumed(admin):
    worker = await admin.make_robot()
    [robot] = await admin.get("/api/robots")
    await admin.make_job(await admin.make_process())
    paused = await admin.post(f"/api/robots/{robot['id']}/pause", 200, comment="a new screen")
    assert (paused["paused"], paused["pause_comment"]) == (True, "a new screen")
    assert (await worker.post("/api/runner/next-job", 200))["job"] is None
    resumed = await admin.post(f"/api/robots/{robot['id']}/resume", 200)
    assert (resumed["paused"], resumed["pause_comment"]) == (False, None)
    assert (await worker.post("/api/runner/next-job", 200))["job"]


async def test_a_robot_is_edited_field_by_field(admin):
    machine = await admin.post("/api/machines", 201, name="host")
    robot = await admin.post("/api/robots", 201, name="robot", labels=["gpu"])
    await admin.post("/api/robots", 201, name="other")
    assert (await edit(admin, robot, machine_id=machine["id"]))["machine_name"] == "host"
    assert (await edit(admin, robot, name="Robot 2"))["labels"] == ["gpu"]
    assert (await edit(admin, robot, labels=[], machine_id=None))["machine_id"] is None
    await edit(admin, robot, 409, name=" OTHER ")
    await edit(admin, robot, 404, machine_id=999)
    await edit(admin, robot, 422, labels=["no spaces"])
    await edit(admin, robot, 422, api_token="mine")
    assert (await admin.get(f"/api/robots/{robot['id']}"))["name"] == "Robot 2"


async def test_a_robot_that_runs_a_job_stays_on_its_machine(admin):
    machine = await admin.post("/api/machines", 201, name="host")
    worker = await admin.make_robot()
    [robot] = await admin.get("/api/robots")
    await admin.make_job(await admin.make_process())
    await worker.post("/api/runner/next-job", 200)
    await edit(admin, robot, 409, machine_id=machine["id"])


async def test_a_beat_alone_writes_nothing_and_who_asks_sees_it(admin, server, monkeypatch):
    def refuse(*unit):
        raise AssertionError(unit)

    robot = await admin.make_robot()
    with monkeypatch.context() as patch:
        patch.setattr(server[DATABASE].urgent, "write", refuse)
        await robot.post("/api/runner/heartbeat", 200, jobs=[])
    [seen] = await admin.get("/api/robots")
    assert seen["status"] == "online"


async def test_robots_heard_are_written_together_and_never_back_in_time(server, admin, clock):
    machine = await admin.post("/api/machines", 201, name="one")
    names = ["one", "two", "three"]
    for name in names:
        robot = await admin.make_robot(name, machine_id=machine["id"])
        await robot.post("/api/runner/heartbeat", 200, jobs=[])
    heard_at = clock.now
    assert await admin.get("/api/robots?status=offline") == []
    clock.advance(hours=-1)
    await robot.post("/api/runner/heartbeat", 200, jobs=[])
    clock.advance(hours=1)
    seen = await admin.get("/api/robots")
    assert {row["last_heartbeat"] for row in seen} == {heard_at.isoformat().replace("+00:00", "Z")}
    [machine] = await admin.get("/api/machines")
    assert machine["last_seen_at"] == seen[0]["last_heartbeat"]


async def test_a_robots_beats_do_not_stand_in_the_way_of_its_editor(admin, clock):
    worker = await admin.make_robot()
    [robot] = await admin.get("/api/robots")
    path = f"/api/robots/{robot['id']}"
    tag = (await admin.ask("GET", path)).headers["ETag"]
    clock.advance(seconds=10)
    await worker.post("/api/runner/heartbeat", 200)
    assert (await admin.ask("GET", path, headers={"If-None-Match": tag})).status == 200
    mine = {"json": {"name": "mine"}, "headers": {"If-Match": tag}}
    assert (await admin.ask("PUT", path, **mine)).status == 200
    assert (await admin.ask("PUT", path, **mine)).status == 412


async def test_a_robots_credential_is_for_its_own_jobs(admin, api):
    login = {"username": "svc", "password": "canary-password"}
    created = await admin.post("/api/robots", 201, name="robot", credential=login)
    assert "canary" not in str(created)
    asset = await admin.get(f"/api/assets/{created['credential_asset_id']}")
    assert (asset["username"], asset["value"], asset["robot_id"]) == ("svc", "***", created["id"])
    process = await admin.make_process()
    await admin.post(f"/api/assets/{asset['id']}/grants", 200, process_id=process["id"])
    own = api.as_(**{"X-Robot-Token": created["api_token"]})
    for worker, status in ((own, 200), (await admin.make_robot("other"), 403)):
        await admin.make_job(process)
        claimed = await worker.post("/api/runner/next-job", 200)
        job = api.as_(Authorization=f"Bearer {claimed['job']['job_token']}")
        answer = await job.ask("GET", f"/api/runtime/assets/{asset['name']}")
        assert answer.status == status
        if status == 200:
            assert answer.body["value"] == "canary-password"
            job_id = claimed["job"]["id"]
            await worker.post(f"/api/runner/jobs/{job_id}/update", 200, status="completed")
    actions = [e["action"] for e in (await admin.get("/api/audit?entity_type=asset"))["items"]]
    assert actions == ["asset.read_refused", "asset.read", "asset.granted", "asset.created"]
    assert (await admin.ask("DELETE", f"/api/assets/{asset['id']}")).status == 409
    changed = await edit(admin, created, credential={"username": "svc2", "password": "x"})
    assert changed["credential_asset_id"] == asset["id"]
    replaced = await admin.get(f"/api/assets/{asset['id']}")
    assert (replaced["username"], replaced["process_ids"]) == ("svc2", [process["id"]])
    await admin.ask("DELETE", f"/api/robots/{created['id']}", status=204)
    assert await admin.get("/api/assets") == []


async def test_whether_a_robot_has_a_desktop_is_what_its_agent_says(admin):
    machine = await admin.post("/api/machines", 201, name="host")
    process = await admin.make_process(labels=["desktop"])
    asked = {"name": "robot", "machine_key": machine["machine_key"]}

    async def register(**info):
        return await admin.post("/api/runner/register-robot", 200, **asked, machine_info=info)

    async def claims(registered):
        worker = admin.as_(**{"X-Robot-Token": registered["api_token"]})
        return worker, (await worker.post("/api/runner/next-job", 200))["job"]

    without = await register(has_desktop=False)
    [robot] = await admin.get("/api/robots")
    assert (await edit(admin, robot, labels=["desktop", "x"]))["labels"] == ["x"]
    job = await admin.make_job(process)
    worker, got = await claims(without)
    assert got is None
    told = await admin.get(f"/api/jobs/{job['id']}/explain")
    assert "It lacks the labels desktop." in str(told)
    # Somebody signs in on that machine.
    await worker.post("/api/runner/heartbeat", 200, machine_info={"has_desktop": True})
    assert (await admin.get(f"/api/robots/{robot['id']}"))["labels"] == ["x", "desktop"]
    assert (await worker.post("/api/runner/next-job", 200))["job"]["id"] == job["id"]
