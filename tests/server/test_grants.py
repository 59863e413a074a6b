"""Secrets belong to processes: who reads what, and who decides."""

import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.grants import service as grants
from orchestrator_server.http.keys import DATABASE
from tests.support.world import archive

SECRET = "a secret value"
FROM_UPGRADE = Query("from_upgrade", "UPDATE asset_grants SET granted_by = NULL")


async def a_secret(admin, name="vault", **wanted):
    return await admin.post(
        "/api/assets", 201, **{"name": name, "type": "secret", "value": SECRET, **wanted}
    )


async def a_job_of(admin, process, robot):
    """The job's own view of the server, and what its robot was given."""
    await admin.make_job(process)
    claim_key = f"key-{process['id']}-{process['version']}"
    job = (await robot.post("/api/runner/next-job", 200, claim_key=claim_key))["job"]
    return admin.as_(Authorization=f"Bearer {job['job_token']}"), job


async def end(robot, job):
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, status="completed")


async def read(job, name="vault"):
    return await job.ask("GET", f"/api/runtime/assets/{name}")


async def grant(admin, asset, process, status=200, **wanted):
    return await admin.post(
        f"/api/assets/{asset['id']}/grants", status, process_id=process["id"], **wanted
    )


async def someone(admin, api, name, role):
    roles = {r["name"]: r["id"] for r in await admin.get("/api/access/roles")}
    wanted = {"username": name, "password": "correct horse battery", "role_ids": [roles[role]]}
    await admin.post("/api/access/users", 201, **wanted)
    return await api.sign_in(name)


async def test_a_new_secret_is_read_by_nobody_until_it_is_granted(admin):
    asset = await a_secret(admin)
    assert (asset["process_ids"], asset["any_process"]) == ([], False)
    process = await admin.make_process()
    robot = await admin.make_robot()
    job, _ = await a_job_of(admin, process, robot)
    refused = await read(job)
    assert (refused.status, refused.kind) == (403, "asset-not-granted")
    assert "sdk assets grant vault hello" in refused.body["detail"]
    granted = await grant(admin, asset, process)
    assert granted["process_ids"] == [process["id"]]
    assert (await read(job)).body["value"] == SECRET
    await admin.ask("DELETE", f"/api/assets/{asset['id']}/grants/{process['id']}", status=204)
    assert (await read(job)).status == 403
    actions = [e["action"] for e in (await admin.get("/api/audit?entity_type=asset"))["items"]]
    assert actions == [
        "asset.read_refused", "asset.revoked", "asset.read", "asset.granted",
        "asset.read_refused", "asset.created",
    ]  # fmt: skip


async def test_a_command_that_is_to_be_copied_quotes_names_that_others_chose(admin, api):
    process = await admin.make_process(content=archive(main="1"))
    asset = await a_secret(admin)
    path = f"/api/processes/{process['id']}"
    await admin.ask("PUT", path, status=200, json={"name": "pay $(id); id"})
    job, _ = await a_job_of(admin, process, await admin.make_robot())
    assert "sdk assets grant vault 'pay $(id); id'`" in (await read(job)).body["detail"]
    await grant(admin, asset, process)
    developer = await someone(admin, api, "dora", "Developer")
    refused = await developer.ask("PUT", path, json={"start": "warm"})
    assert "`sdk release 'pay $(id); id'`" in refused.body["detail"]


async def test_one_process_does_not_read_what_another_was_granted(admin):
    asset = await a_secret(admin)
    mine, other = await admin.make_process(), await admin.make_process("other")
    await grant(admin, asset, other)
    job, _ = await a_job_of(admin, mine, await admin.make_robot())
    assert (await read(job)).status == 403


async def test_values_that_are_no_secrets_are_open_to_all_jobs(admin):
    await admin.post("/api/assets", 201, name="greeting", type="text", value="hello")
    job, _ = await a_job_of(admin, await admin.make_process(), await admin.make_robot())
    assert (await read(job, "greeting")).body["value"] == "hello"
    for more in ({"any_process": True}, {"process_ids": [1]}):
        wanted = {"name": "x", "type": "text", "value": "x", **more}
        await admin.post("/api/assets", 422, **wanted)


async def test_it_is_granted_as_it_is_made_and_to_all_processes(admin):
    process = await admin.make_process()
    asset = await a_secret(admin, process_ids=[process["id"]])
    assert asset["process_ids"] == [process["id"]]
    everybodys = await a_secret(admin, "open", any_process=True)
    assert everybodys["any_process"]
    job, _ = await a_job_of(admin, process, await admin.make_robot())
    assert (await read(job)).status == (await read(job, "open")).status == 200
    unknown = {"name": "x", "type": "secret", "value": "x", "process_ids": [9]}
    await admin.post("/api/assets", 404, **unknown)
    closed = await admin.ask(
        "PUT", f"/api/assets/{everybodys['id']}", json={"any_process": False}, status=200
    )
    assert not closed["any_process"]
    assert (await read(job, "open")).status == 403
    event = (await admin.get(f"/api/audit?entity_id={everybodys['id']}&entity_type=asset"))["items"]
    updated = next(e for e in event if e["action"] == "asset.updated")
    details = await admin.get(f"/api/audit/{updated['id']}")
    assert (details["before"]["any_process"], details["after"]["any_process"]) == (True, False)


async def test_a_grant_counts_from_the_version_it_was_given_at(admin):
    asset = await a_secret(admin)
    process = await admin.make_process()
    robot = await admin.make_robot()
    early = await admin.make_job(process)
    changed = await admin.ask(
        "PUT", f"/api/processes/{process['id']}", status=200, json={"default_parameters": {"a": 1}}
    )
    assert changed["version"] == 2
    await grant(admin, asset, process, 409, version=1)
    await grant(admin, asset, process, version=2)
    job = (await robot.post("/api/runner/next-job", 200, claim_key="k"))["job"]
    assert job["id"] == early["id"]
    refused = await read(admin.as_(Authorization=f"Bearer {job['job_token']}"))
    assert (refused.status, refused.kind) == (403, "asset-not-granted")
    assert "from version 2 on, and this job runs version 1" in refused.body["detail"]
    await end(robot, job)
    retried = await admin.post(f"/api/jobs/{early['id']}/retry", 201)
    job = (await robot.post("/api/runner/next-job", 200, claim_key="l"))["job"]
    assert job["id"] == retried["id"]
    refused = await read(admin.as_(Authorization=f"Bearer {job['job_token']}"))
    assert refused.kind == "asset-not-granted"
    await end(robot, job)
    later = {"default_parameters": {"a": 2}}
    process = await admin.ask("PUT", f"/api/processes/{process['id']}", status=200, json=later)
    await grant(admin, asset, process)  # once more: it begins where it began
    for _ in range(2):
        job, about = await a_job_of(admin, process, robot)
        assert (await read(job)).status == 200
        await end(robot, about)
        process = process | {"version": process["version"] + 1}


async def test_a_deleted_process_takes_its_grants_along_and_a_renamed_one_keeps_them(admin):
    process = await admin.make_process()
    asset = await a_secret(admin, process_ids=[process["id"]])
    renamed = {"name": "renamed"}
    await admin.ask("PUT", f"/api/processes/{process['id']}", status=200, json=renamed)
    assert (await admin.get(f"/api/assets/{asset['id']}"))["process_ids"] == [process["id"]]
    await admin.ask("DELETE", f"/api/processes/{process['id']}", status=204)
    assert (await admin.get(f"/api/assets/{asset['id']}"))["process_ids"] == []


async def test_to_grant_takes_the_right_to_edit_assets(admin, api):
    process = await admin.make_process()
    asset = await a_secret(admin)
    permissions = [{"artifact": "assets", "can_create": True}]
    await admin.post("/api/access/roles", 201, name="Creator", permissions=permissions)
    creator = await someone(admin, api, "carl", "Creator")
    await grant(creator, asset, process, 403)
    wanted = {"name": "x", "type": "secret", "value": "x"}
    await creator.post("/api/assets", 403, **wanted, process_ids=[process["id"]])
    await creator.post("/api/assets", 403, **wanted, any_process=True)
    await creator.post("/api/assets", 201, **wanted)
    developer = await someone(admin, api, "dora", "Developer")
    await grant(developer, asset, process, 403)
    operator = await someone(admin, api, "olga", "Operator")
    await grant(operator, asset, process)


@pytest.mark.parametrize(
    "change",
    [
        {"script_path": "other.py"},
        {"start": "warm"},
        {"preload": ["json"]},
        {"labels": []},
        {"default_parameters": {"to": "elsewhere"}},
        {"parameters_schema": {"type": "object"}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_reads_secrets_is_changed_by_those_who_grant_them(admin, api, change):
    content = archive(main="print(1)", other="print(2)")
    process = await admin.make_process(content=content, labels=["finance"])
    developer = await someone(admin, api, "dora", "Developer")
    path = f"/api/processes/{process['id']}"
    asset = await a_secret(admin, any_process=True)
    await developer.ask("PUT", path, status=200, json={"description": "locked by nothing"})
    await grant(admin, asset, process)
    refused = await developer.ask("PUT", path, json=change)
    assert (refused.status, refused.kind) == (403, "secrets-granted")
    assert "vault" in refused.body["detail"]
    free = {"description": "x", "priority": 3, "labels": ["finance", "b"], "is_active": True}
    await developer.ask("PUT", path, status=200, json=free)
    operator = await someone(admin, api, "olga", "Operator")
    await operator.ask("PUT", path, status=200, json=change)
    for scopes, status in ((["publish"], 403), (["publish", "manage"], 200)):
        laptop = await signed_in_with_sdk(api, admin, scopes)
        await laptop.ask("PUT", path, status=status, json={"preload": ["csv"]})


async def signed_in_with_sdk(api, person, scopes):
    started = await api.post("/api/sdk/auth/start", 200, machine_name="m", scopes=scopes)
    await person.post("/api/sdk/auth/confirm", 200, user_code=started["user_code"])
    status = await api.get(f"/api/sdk/auth/status?session_id={started['session_id']}")
    return api.as_(Authorization=f"Bearer {status['access_token']}")


async def test_a_secret_open_to_all_processes_locks_none(admin, api):
    process = await admin.make_process(content=archive(main="1", other="2"))
    await a_secret(admin, any_process=True)
    developer = await someone(admin, api, "dora", "Developer")
    path = f"/api/processes/{process['id']}"
    await developer.ask("PUT", path, status=200, json={"script_path": "other.py"})


async def test_no_way_around_leads_to_other_code(admin, api):
    """Upgrade, use, another version of the package."""
    process = await admin.make_process()
    await a_secret(admin, process_ids=[process["id"]])
    newer = await admin.upload(version="1.1.0", content=archive(main="print(2)"))
    developer = await someone(admin, api, "dora", "Developer")
    for path in (f"/api/processes/{process['id']}/upgrade", f"/api/packages/{newer['id']}/use"):
        refused = await developer.post(path)
        assert (refused.status, refused.kind) == (403, "secrets-granted"), path
    operator = await someone(admin, api, "olga", "Operator")
    [moved] = await operator.post(f"/api/packages/{newer['id']}/use", 200)
    assert moved["package_id"] == newer["id"]
    [back] = await operator.post(f"/api/packages/{process['package_id']}/use", 200)
    assert back["package_id"] == process["package_id"]


async def test_a_change_that_waits_is_seen_and_released_whole(admin, api):
    process = await admin.make_process(labels=["finance"])
    await a_secret(admin, process_ids=[process["id"]])
    newer = await admin.upload(
        version="1.1.0", content=archive(main="print(2)", other="def run(a: int): ...")
    )
    developer = await someone(admin, api, "dora", "Developer")
    path = f"/api/processes/{process['id']}"
    plan = {"package_id": newer["id"], "script_path": "other.py:run", "labels": [], "priority": 5}
    waiting = await developer.ask("PUT", f"{path}/proposal", status=200, json=plan)
    assert (waiting["package_id"], waiting["version"]) == (process["package_id"], 1)
    proposal = waiting["proposal"]
    assert proposal["changes"] == plan
    assert (proposal["package_version"], proposal["proposed_by"]) == ("1.1.0", "dora")
    wrong = plan | {"script_path": "none.py"}
    await developer.ask("PUT", f"{path}/proposal", status=422, json=wrong)
    assert (await developer.post(f"{path}/release")).kind == "secrets-granted"
    operator = await someone(admin, api, "olga", "Operator")
    stale = await operator.post(f"{path}/release", proposed_at="2030-01-01T00:00:01Z")
    assert (stale.status, stale.kind) == (409, "proposal-changed")
    seen = proposal["proposed_at"]
    released = await operator.post(f"{path}/release", 200, proposed_at=seen)
    assert {name: released[name] for name in plan} == plan
    assert (released["proposal"], released["version"]) == (None, 2)
    assert released["parameters_schema"]["properties"]["a"] == {"type": "integer"}
    assert (await operator.post(f"{path}/release")).status == 409


async def test_a_proposal_is_dropped_or_overtaken(admin, api):
    process = await admin.make_process(content=archive(main="1", other="2"))
    asset = await a_secret(admin, process_ids=[process["id"]])
    path = f"/api/processes/{process['id']}"
    plan = {"script_path": "other.py"}
    await admin.ask("PUT", f"{path}/proposal", status=200, json=plan)
    await admin.ask("DELETE", f"{path}/proposal", status=204)
    assert (await admin.get(path))["proposal"] is None
    await admin.ask("PUT", f"{path}/proposal", status=200, json=plan)
    await admin.ask("PUT", path, status=200, json={"description": "it waits on"})
    assert (await admin.get(path))["proposal"]
    await admin.ask("PUT", path, status=200, json=plan)
    assert (await admin.get(path))["proposal"] is None
    assert (await admin.get(f"/api/assets/{asset['id']}"))["process_ids"] == [process["id"]]


async def test_the_secrets_of_a_process_are_listed(admin):
    process = await admin.make_process(secrets=["vault", "erp", "greeting", "missing"])
    await a_secret(admin, process_ids=[process["id"]])
    await a_secret(admin, "erp")
    await a_secret(admin, "open", any_process=True)
    await admin.post("/api/assets", 201, name="greeting", type="text", value="hello")
    found = await admin.get(f"/api/processes/{process['id']}/secrets")
    assert [(s["name"], s["exists"], s["granted"], s["requested"]) for s in found] == [
        ("open", True, True, False),
        ("vault", True, True, True),
        ("erp", True, False, True),
        ("missing", False, False, True),
    ]
    assert SECRET not in str(found)


async def test_a_robots_own_credential_is_granted_as_any_other(admin):
    login = {"username": "robot", "password": "windows"}
    created = await admin.post("/api/robots", 201, name="desk", credential=login)
    robot = admin.as_(**{"X-Robot-Token": created["api_token"]})
    asset = await admin.get(f"/api/assets/{created['credential_asset_id']}")
    process = await admin.make_process()
    job, about = await a_job_of(admin, process, robot)
    assert (await read(job, asset["name"])).kind == "asset-not-granted"
    await grant(admin, asset, process)
    assert (await read(job, asset["name"])).body["value"] == "windows"
    path = f"/api/robots/{created['id']}"
    replaced = {"credential": {"username": "other", "password": "new"}}
    robot_now = await admin.ask("PUT", path, status=200, json=replaced)
    assert robot_now["credential_asset_id"] == asset["id"]
    answer = (await read(job, asset["name"])).body
    assert (answer["username"], answer["value"]) == ("other", "new")
    await end(robot, about)
    other = await admin.make_robot("other")
    job, _ = await a_job_of(admin, process | {"version": 9}, other)
    assert (await read(job, asset["name"])).status == 403


async def test_a_secret_that_becomes_text_loses_its_grants(admin):
    process = await admin.make_process()
    asset = await a_secret(admin, process_ids=[process["id"]], any_process=True)
    path = f"/api/assets/{asset['id']}"
    text = await admin.ask("PUT", path, status=200, json={"type": "text", "value": "x"})
    assert (text["process_ids"], text["any_process"]) == ([], False)
    again = await admin.ask("PUT", path, status=200, json={"type": "secret", "value": "x"})
    assert (again["process_ids"], again["any_process"]) == ([], False)


async def test_the_scope_manage_is_enough_to_look_at_a_process_and_grant_it_a_secret(admin, api):
    """What `sdk assets grant` and `sdk release` ask for, after `sdk login --scope manage`."""
    process = await admin.make_process()
    asset = await a_secret(admin)
    manager = await signed_in_with_sdk(api, admin, ["manage"])
    path = f"/api/processes/{process['id']}"
    package = f"/api/packages/{process['package_id']}"
    for wanted in ("/api/processes?search=hello", path, f"{path}/secrets", package):
        await manager.get(wanted)
    assert (await grant(manager, asset, process))["process_ids"] == [process["id"]]


async def test_a_grant_of_the_upgrade_is_confirmed_by_granting_it_again(admin, server):
    process = await admin.make_process()
    asset = await a_secret(admin, process_ids=[process["id"]])
    await server[DATABASE].write(lambda tx: tx.run(FROM_UPGRADE))
    found = await server[DATABASE].read(grants.from_upgrade, 10)
    assert found == [f"asset vault, process {process['name']}"]
    path = f"/api/processes/{process['id']}"
    await admin.ask("PUT", path, status=200, json={"labels": ["finance"]})
    await grant(admin, asset, process)
    assert await server[DATABASE].read(grants.from_upgrade, 10) == []
    [secret] = await admin.get(f"{path}/secrets")
    assert secret["from_version"] == 1


async def test_a_value_that_is_no_secret_cannot_be_granted(admin):
    asset = await admin.post("/api/assets", 201, name="greeting", type="text", value="hello")
    refused = await grant(admin, asset, await admin.make_process(), 422)
    assert refused["detail"].startswith("Asset greeting is of type text, which is no secret")
    assert refused["errors"][0]["pointer"] == "#"
