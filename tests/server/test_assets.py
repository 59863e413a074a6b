"""Assets: typed values; secrets that only running jobs can read, and that leave no trace."""

import pytest

from orchestrator_server import keys
from orchestrator_server.assets import reads, rotation
from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE, SEALER

CANARY = "canary-7f3a-of-the-secret"


async def make(admin, name="api", status=201, **wanted):
    """A secret that all processes may read, unless another asset is wanted."""
    wanted = {"name": name, "type": "secret", "value": CANARY, **wanted}
    if wanted["type"] in ("secret", "credential"):
        wanted.setdefault("any_process", True)
    return await admin.post("/api/assets", status, **wanted)


async def put(admin, asset, status=200, headers=None, **changes):
    return await admin.ask(
        "PUT", f"/api/assets/{asset['id']}", status=status, json=changes, headers=headers or {}
    )


async def a_job(admin, robot=None):
    """A running job's own view of the server."""
    robot = robot or await admin.make_robot()
    await admin.make_job(await admin.make_process("a" + str(id(robot))))
    claimed = await robot.post("/api/runner/next-job", 200)
    return robot.as_(Authorization=f"Bearer {claimed['job']['job_token']}"), claimed["job"]


@pytest.mark.parametrize(
    ("type_", "canonical", "value"),
    [
        ("text", "text", "hello"),
        ("Text", "text", ""),
        ("integer", "int", 2**53 + 1),
        ("bool", "boolean", False),
        ("json", "json", {"a": [1, None, 1.5]}),
        ("json", "json", None),
    ],
)
async def test_a_value_keeps_its_type(admin, type_, canonical, value):
    asset = await make(admin, type=type_, value=value)
    assert (asset["type"], asset["value"]) == (canonical, value)
    assert await admin.get(f"/api/assets/{asset['id']}") == asset
    job, _ = await a_job(admin)
    read = await job.get("/api/runtime/assets/API")
    assert read == {"name": "api", "type": canonical, "value": value, "username": None}


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"type": "int", "value": "abc"}, "#/value"),
        ({"type": "int", "value": True}, "#/value"),
        ({"type": "boolean", "value": "yes"}, "#/value"),
        ({"type": "text", "value": 1}, "#/value"),
        ({"type": "secret", "value": ""}, "#/value"),
        ({"type": "secret"}, "#/value"),
        ({"type": "colour", "value": "red"}, "#/type"),
        ({"type": "credential", "value": "x"}, "#/username"),
        ({"type": "text", "value": "x", "username": "ada"}, "#/username"),
        ({"type": "text", "value": "x" * 70_000}, "#/value"),
        ({"type": "credential", "value": "x", "username": "a" * 2000}, "#/username"),
    ],
)
async def test_what_does_not_fit_its_type_is_refused(admin, wanted, pointer):
    answer = await admin.post("/api/assets", 422, name="api", **wanted)
    assert answer["errors"][0]["pointer"] == pointer
    assert await admin.get("/api/assets") == []


async def test_an_integer_beyond_64_bits_cannot_be_read(admin):
    assert (await admin.post("/api/assets", name="a", type="int", value=2**63)).status == 400


async def test_a_secret_is_shown_to_nobody_but_a_running_job(admin, server, config):
    asset = await make(admin)
    await put(admin, asset, description="of the bank", value=CANARY + "2")
    await make(admin, "robot login", type="credential", username="ada", value=CANARY)
    for path in ("/api/assets", f"/api/assets/{asset['id']}", "/api/assets?search=api"):
        answer = str(await admin.get(path))
        assert CANARY not in answer
        assert "***" in answer
    assert await admin.get(f"/api/assets?search={CANARY}") == []
    assert CANARY not in str(await make(admin, status=409, value=CANARY))
    job, about = await a_job(admin)
    assert (await job.get("/api/runtime/assets/api"))["value"] == CANARY + "2"
    login = await job.get("/api/runtime/assets/robot%20login")
    assert (login["username"], login["value"]) == ("ada", CANARY)
    events = await admin.get("/api/audit?entity_type=asset")
    reads = [e for e in events["items"] if e["action"] == "asset.read"]
    assert [e["actor_type"] for e in reads] == ["job", "job"]
    for event in events["items"]:
        details = await admin.get(f"/api/audit/{event['id']}")
        assert CANARY not in str(details)
        if event in reads:
            assert details["metadata"]["job_id"] == about["id"]
    await nothing_is_stored_readable(server)


async def nothing_is_stored_readable(server):
    rows = Query("rows", "SELECT name, value AS text, sealed, description FROM assets")
    events = Query("events", "SELECT before, after, metadata FROM audit_events")
    for query in (rows, events):
        found = await server[DATABASE].read(lambda tx, q=query: tx._session.fetch(q, {}))
        assert found
        assert CANARY not in str(found)


async def test_stars_that_are_sent_back_are_not_stored(admin):
    asset = await make(admin)
    await put(admin, asset, value="***", name="renamed")
    job, _ = await a_job(admin)
    assert (await job.get("/api/runtime/assets/renamed"))["value"] == CANARY


async def test_a_secret_does_not_become_text_without_a_new_value(admin):
    asset = await make(admin)
    answer = await put(admin, asset, 422, type="text")
    assert answer["errors"][0]["pointer"] == "#/value"
    changed = await put(admin, asset, type="text", value="plain")
    assert (changed["value"], changed["any_process"]) == ("plain", False)
    assert (await put(admin, asset, type="secret"))["value"] == "***"


async def test_a_credential_keeps_its_password_when_its_user_changes(admin):
    asset = await make(admin, type="credential", username="ada")
    await put(admin, asset, username="bob")
    job, _ = await a_job(admin)
    read = await job.get("/api/runtime/assets/api")
    assert (read["username"], read["value"]) == ("bob", CANARY)


async def test_names_are_unique_however_they_are_spelled(admin):
    await make(admin, "Straße")
    await make(admin, " STRASSE ", 409)
    other = await make(admin, "other")
    await put(admin, other, 409, name="strasse")


async def test_a_deleted_asset_is_gone_and_its_name_free(admin):
    asset = await make(admin)
    await admin.ask("DELETE", f"/api/assets/{asset['id']}", status=204)
    assert (await admin.ask("GET", f"/api/assets/{asset['id']}")).status == 404
    assert (await make(admin))["id"] > asset["id"]


async def test_a_job_that_ended_reads_nothing_more(admin):
    await make(admin)
    robot = await admin.make_robot()
    job, about = await a_job(admin, robot)
    await robot.post(f"/api/runner/jobs/{about['id']}/update", 200, status="completed")
    assert (await job.ask("GET", "/api/runtime/assets/api")).status == 401


async def test_an_edit_of_an_old_state_is_refused(admin):
    asset = await make(admin)
    first = await admin.ask("GET", f"/api/assets/{asset['id']}")
    tag = first.headers["ETag"]
    seen = await admin.ask("GET", f"/api/assets/{asset['id']}", headers={"If-None-Match": tag})
    assert (seen.status, seen.body) == (304, b"")
    await put(admin, asset, headers={"If-Match": tag}, description="mine")
    answer = await put(admin, asset, 412, headers={"If-Match": tag}, description="theirs")
    assert "read it again" in answer["detail"]
    await put(admin, asset, headers={"If-Match": "*"}, description="whatever")


async def test_a_sealed_text_that_was_moved_or_changed_does_not_open(admin, server):
    one, two = await make(admin, "one"), await make(admin, "two", value="other")
    swap = Query(
        "swap",
        "UPDATE assets SET sealed = (SELECT b.sealed FROM assets AS b WHERE b.id = :two) "
        "WHERE id = :one",
    )
    await server[DATABASE].write(lambda tx: tx.run(swap, one=one["id"], two=two["id"]))
    job, _ = await a_job(admin)
    answer = await job.ask("GET", "/api/runtime/assets/one")
    assert answer.status == 503
    assert "does not belong there" in answer.body["detail"]
    assert (await job.get("/api/runtime/assets/two"))["value"] == "other"


async def test_keys_are_rotated_while_the_server_works(admin, server, config):
    for number in range(3):
        await make(admin, f"secret {number}", value=f"{CANARY} {number}")
    await admin.ask("PUT", "/api/settings/email", status=200, json={"password": CANARY})
    assert await rotation.rotate(server[DATABASE], config.key_file) == 3
    assert await server[DATABASE].read(rotation.keys_in_use) == {"2"}
    assert await rotation.rotate(server[DATABASE], config.key_file) == 3
    await make(admin, "sealed after", value=CANARY)
    assert await server[DATABASE].read(rotation.keys_in_use) == {"3"}
    job, _ = await a_job(admin)
    for number in range(3):
        read = await job.get(f"/api/runtime/assets/secret%20{number}")
        assert read["value"] == f"{CANARY} {number}"
    check = await server[DATABASE].read(keys.stored_check)
    assert set(keys.load(config.key_file, check=check).earlier_sealing) == {"2"}


async def test_a_rotation_that_was_interrupted_goes_on_where_it_stopped(
    admin, server, config, monkeypatch
):
    for number in range(5):
        await make(admin, f"secret {number}")
    monkeypatch.setattr(rotation, "BATCH", 2)
    current = keys.with_new_sealing(config.key_file, keep={"1"})
    await server[DATABASE].write(rotation._move_some, server[SEALER], current.sealing_id, 0)
    assert await server[DATABASE].read(rotation.keys_in_use) == {"1", "2"}  # killed here
    assert await rotation.rotate(server[DATABASE], config.key_file) == 3
    assert await server[DATABASE].read(rotation.keys_in_use) == {"2"}
    job, _ = await a_job(admin)
    assert (await job.get("/api/runtime/assets/secret%204"))["value"] == CANARY


async def told(robot, job):
    """What its robot is told of the secrets that a job has read, but for its own token."""
    answer = await robot.get(f"/api/runner/jobs/{job['id']}/secrets?attempt=1")
    assert answer["values"][-1] == job["job_token"]
    return answer["count"], sorted(answer["values"][:-1])


async def test_the_robot_of_a_job_and_nobody_else_is_told_what_it_has_read(admin):
    await make(admin)
    await make(admin, "login", type="credential", username="ada", value="sesame")
    await make(admin, "plain", type="text", value="not secret")
    robot, other = await admin.make_robot(), await admin.make_robot("other")
    job, about = await a_job(admin, robot)
    assert await told(robot, about) == (0, [])
    for name in ("api", "API", "login", "plain"):
        await job.get(f"/api/runtime/assets/{name}")
    assert await told(robot, about) == (2, [CANARY, "sesame"])
    path = f"/api/runner/jobs/{about['id']}/secrets?attempt=1"
    for nobody, status in ((other, 403), (admin, 401), (job, 401)):
        assert (await nobody.ask("GET", path)).status == status
    assert (await robot.ask("GET", path.replace("attempt=1", "attempt=2"))).status == 404
    assert CANARY not in str(await admin.get("/api/audit"))


async def test_a_robot_gets_the_values_that_its_job_has_read_and_no_later_ones(
    admin, server, config
):
    asset = await make(admin)
    robot = await admin.make_robot()
    job, about = await a_job(admin, robot)
    await put(admin, asset, value="before it is read")
    await job.get("/api/runtime/assets/api")
    assert await told(robot, about) == (1, ["before it is read"])
    await put(admin, asset, description="no new value")
    await put(admin, asset, value="the second")
    assert await told(robot, about) == (1, ["before it is read"])  # the second was not read
    await put(admin, asset, value="the third")
    await job.get("/api/runtime/assets/api")
    both = (2, ["before it is read", "the third"])
    assert await told(robot, about) == both
    await put(admin, asset, value="the fourth")
    assert await told(robot, about) == both
    await admin.ask("DELETE", f"/api/assets/{asset['id']}", status=204)
    assert await told(robot, about) == both
    for _ in range(2):  # the key before the last one is gone then
        await rotation.rotate(server[DATABASE], config.key_file)
    assert await server[DATABASE].read(rotation.keys_in_use) == {"3"}
    assert await told(robot, about) == both


async def test_secrets_are_sent_until_the_log_is_closed_and_the_first_time_is_audited(
    admin, server, clock
):
    asset = await make(admin)
    robot = await admin.make_robot()
    job, about = await a_job(admin, robot)
    assert await told(robot, about) == (0, [])  # nothing to be audited
    await job.get("/api/runtime/assets/api")
    await put(admin, asset, value="another value")
    await robot.post(f"/api/runner/jobs/{about['id']}/update", 200, status="completed")
    await server[DATABASE].write(reads.forget_replaced)
    clock.advance(hours=24)
    assert await told(robot, about) == (1, [CANARY])
    clock.advance(seconds=1)
    admin = await admin.sign_in()
    closed = await robot.ask("GET", f"/api/runner/jobs/{about['id']}/secrets?attempt=1")
    assert (closed.status, closed.kind) == (409, "log-closed")
    await server[DATABASE].write(reads.forget_replaced)
    events = (await admin.get("/api/audit?action=job.secrets_sent"))["items"]
    assert [(e["entity_id"], e["actor_username"]) for e in events] == [(about["id"], "robot")]


async def test_progress_that_may_show_a_secret_is_not_kept_and_its_robot_hears_why(admin):
    await make(admin)
    robot = await admin.make_robot()
    job, about = await a_job(admin, robot)
    await job.get("/api/runtime/assets/api")

    async def beat(message, **more):
        progress = {"fraction": 0.5, "message": message}
        said = {"id": about["id"], "attempt": 1, "progress": progress, **more}
        [action] = (await robot.post("/api/runner/heartbeat", 200, jobs=[said]))["jobs"]
        now = await admin.get(f"/api/jobs/{about['id']}")
        return action, now["progress"] and now["progress"]["message"]

    action, shown = await beat(CANARY, secrets_known=0)
    assert (action["action"], action["secrets_read"], shown) == ("continue", 1, None)
    action, shown = await beat("***", secrets_known=1)
    assert ("secrets_read" in action, shown) == (False, "***")
    _, shown = await beat("of an earlier agent")
    assert shown == "of an earlier agent"


async def test_what_may_show_a_secret_is_refused_and_nothing_of_it_is_kept(admin):
    await make(admin)
    robot = await admin.make_robot()
    job, about = await a_job(admin, robot)
    await job.get("/api/runtime/assets/api")
    path = f"/api/runner/jobs/{about['id']}/update"
    said = {"status": "completed", "attempt": 1, "result": CANARY, "secrets_known": 0}
    answer = await robot.post(path, 409, **said)
    assert answer["type"] == "/problems/secrets-read" and CANARY not in str(answer)
    unnumbered = {**said, "attempt": None}  # of the only attempt
    assert (await robot.post(path, 409, **unnumbered))["type"] == "/problems/secrets-read"
    assert (await admin.get(f"/api/jobs/{about['id']}"))["status"] == "running"
    logs = f"/api/runner/jobs/{about['id']}/logs?attempt=1&offset=0&secrets_known=0"
    binary = {"Content-Type": "application/octet-stream"}
    answer = await robot.ask("POST", logs, status=409, data=CANARY.encode(), headers=binary)
    assert answer["type"] == "/problems/secrets-read"
    assert await admin.get(f"/api/jobs/{about['id']}/logs") == b""
    await robot.post(path, 200, **{**said, "result": "***", "secrets_known": 1})
