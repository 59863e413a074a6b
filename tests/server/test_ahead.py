"""Robots build ahead only what somebody who may start jobs has decided to run."""

import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE
from tests.server.test_grants import signed_in_with_sdk
from tests.support.world import archive

PUBLISHES = ["packages:create", "packages:view", "processes:create", "processes:edit",
             "processes:view"]  # fmt: skip


async def a_member(admin, api, name, *permissions):
    allowed = {}
    for permission in (*PUBLISHES, *permissions):
        artifact, deed = permission.split(":")
        allowed.setdefault(artifact, {})[f"can_{deed}"] = True
    permissions = [{"artifact": artifact, **deeds} for artifact, deeds in allowed.items()]
    role = await admin.post("/api/access/roles", 201, name=name, permissions=permissions)
    wanted = {"username": name, "password": "correct horse battery", "role_ids": [role["id"]]}
    await admin.post("/api/access/users", 201, **wanted)
    return await api.sign_in(name)


async def edit(person, path, **changes):
    await person.ask("PUT", path, status=200, json=changes)


async def told(robot, name, **more):
    """What a robot is told of that process: None, or whether it may build."""
    answer = await robot.post(
        "/api/runner/heartbeat", 200, changes_since="2000-01-01T00:00:00Z", jobs=[],
        **{"supports_may_build": True, **more},
    )  # fmt: skip
    found = {one["package"]["name"]: one["may_build"] for one in answer["prepare"]}
    return found.get(name)


async def test_an_agent_that_does_not_ask_is_not_told_to_prepare(admin):
    robot = await admin.make_robot()
    await admin.make_process("made")
    assert await told(robot, "made") is True
    assert await told(robot, "made", supports_may_build=False) is None
    answer = await robot.post("/api/runner/heartbeat", 200, changes_since="2000-01-01T00:00:00Z")
    assert answer["prepare"] == []


async def test_who_only_publishes_lets_no_robot_build(admin, api):
    robot = await admin.make_robot()
    publisher = await a_member(admin, api, "pia")
    process = await publisher.make_process("hers", archive(main="1", other="2"))
    assert await told(robot, "hers") is False
    path = f"/api/processes/{process['id']}"
    await edit(admin, path, description="looked at")
    assert await told(robot, "hers") is False  # its code is hers still
    await admin.make_job(process)
    assert await told(robot, "hers") is False  # nothing has run yet
    assert (await robot.post("/api/runner/next-job", 200, claim_key="k"))["job"]
    assert await told(robot, "hers") is True
    other = await publisher.upload("hers", "2.0.0", archive(main="3"))
    await edit(publisher, path, package_id=other["id"])
    assert await told(robot, "hers") is False
    await edit(publisher, path, package_id=process["package_id"])
    assert await told(robot, "hers") is True  # this very package has run
    await edit(publisher, path, script_path="other.py")
    assert await told(robot, "hers") is False


async def test_who_may_start_jobs_lets_robots_build(admin, api):
    robot = await admin.make_robot()
    developer = await a_member(admin, api, "dora", "jobs:create")
    process = await developer.make_process("theirs")
    assert await told(robot, "theirs") is True
    publisher = await a_member(admin, api, "paul")
    other = await publisher.upload("theirs", "2.0.0")
    await edit(publisher, f"/api/processes/{process['id']}", package_id=other["id"])
    assert await told(robot, "theirs") is False
    newest = await publisher.upload("theirs", "3.0.0")
    await developer.post(f"/api/processes/{process['id']}/upgrade", 200)
    assert newest["version"] == "3.0.0" and await told(robot, "theirs") is True


@pytest.mark.parametrize(
    ("scopes", "may_build"), [(["publish"], False), (["publish", "run"], True)]
)
async def test_an_sdk_token_needs_the_scope_run(admin, api, scopes, may_build):
    robot = await admin.make_robot()
    developer = await a_member(admin, api, "dora", "jobs:create")
    sdk = await signed_in_with_sdk(api, developer, scopes)
    await sdk.make_process("theirs")
    assert await told(robot, "theirs") is may_build


async def test_it_is_known_when_the_job_is_gone(admin, api, server):
    robot = await admin.make_robot()
    publisher = await a_member(admin, api, "pia")
    process = await publisher.make_process("hers")
    await admin.make_job(process)
    job = (await robot.post("/api/runner/next-job", 200, claim_key="k"))["job"]
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, status="completed")
    for table in ("secrets_read", "attempts", "jobs"):
        await server[DATABASE].write(lambda tx, t=table: tx.run(Query("gone", f"DELETE FROM {t}")))
    assert await told(robot, "hers") is True
