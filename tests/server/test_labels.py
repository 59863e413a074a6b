"""Labels are the operators': a machine names none for itself, and no job drops one."""

import pytest

from tests.server.test_grants import someone


async def a_machine(admin, **wanted):
    return await admin.post("/api/machines", 201, **{"name": "mill", **wanted})


async def registered(admin, machine, **wanted):
    """The robot as the agent of the machine registers it, and as people see it."""
    said = {"name": "bot", "machine_key": machine["machine_key"], **wanted}
    answer = await admin.as_().post("/api/runner/register-robot", 200, **said)
    robot = await admin.get(f"/api/robots/{answer['robot_id']}")
    return admin.as_(**{"X-Robot-Token": answer["api_token"]}), robot


def shown(robot):
    return robot["labels"], robot["assigned_labels"], robot["refused_labels"]


async def change(admin, path, status=200, **changes):
    return await admin.ask("PUT", path, status=status, json=changes)


async def test_an_agent_gets_the_labels_that_its_machine_is_allowed(admin):
    machine = await a_machine(admin)
    robot, seen = await registered(admin, machine, labels=["finance", "gpu"])
    assert shown(seen) == ([], [], ["finance", "gpu"])
    process = await admin.make_process(labels=["finance"])
    path = f"/api/packages/{process['package_id']}/download"
    assert (await robot.ask("GET", path)).status == 403
    await admin.make_job(process)
    assert (await robot.post("/api/runner/next-job", 200))["job"] is None
    allowed = await change(admin, f"/api/machines/{machine['id']}", allowed_labels=["finance"])
    assert allowed["allowed_labels"] == ["finance"]
    seen = await admin.get(f"/api/robots/{seen['id']}")
    assert shown(seen) == (["finance"], [], ["gpu"])
    assert (await robot.ask("GET", path)).status == 200
    assert (await robot.post("/api/runner/next-job", 200))["job"]
    await change(admin, f"/api/machines/{machine['id']}", allowed_labels=[])
    assert shown(await admin.get(f"/api/robots/{seen['id']}")) == ([], [], ["finance", "gpu"])
    [event, *_] = (await admin.get("/api/audit?entity_type=machine"))["items"]
    details = await admin.get(f"/api/audit/{event['id']}")
    assert (event["action"], details["before"]["allowed_labels"]) == (
        "machine.updated",
        ["finance"],
    )


async def test_what_an_operator_assigns_stays_whatever_the_agent_says(admin):
    machine = await a_machine(admin, allowed_labels=["gpu"])
    _, seen = await registered(admin, machine, labels=["gpu"])
    path = f"/api/robots/{seen['id']}"
    seen = await change(admin, path, labels=["finance"])
    assert shown(seen) == (["finance", "gpu"], ["finance"], [])
    _, seen = await registered(admin, machine, labels=["sap"])
    assert shown(seen) == (["finance"], ["finance"], ["sap"])
    _, seen = await registered(admin, machine)  # it says nothing of labels
    assert shown(seen) == (["finance"], ["finance"], ["sap"])
    other = await a_machine(admin, name="other", allowed_labels=["sap"])
    seen = await change(admin, path, machine_id=other["id"])
    assert shown(seen) == (["finance"], ["finance"], [])
    _, seen = await registered(admin, other, labels=["sap"])
    assert shown(seen) == (["finance", "sap"], ["finance"], [])
    seen = await change(admin, path, labels=[], machine_id=None)
    assert shown(seen) == ([], [], [])


async def test_a_desktop_is_what_the_agent_finds_and_no_boundary(admin):
    machine = await a_machine(admin)
    _, seen = await registered(admin, machine, machine_info={"has_desktop": True})
    assert shown(seen) == (["desktop"], [], [])
    _, seen = await registered(admin, machine, machine_info={"has_desktop": False})
    assert shown(seen) == ([], [], [])


async def test_a_machine_is_renamed_and_its_name_stays_unique(admin, api):
    machine, _ = await a_machine(admin), await a_machine(admin, name="other")
    path = f"/api/machines/{machine['id']}"
    assert (await change(admin, path, name="new"))["name"] == "new"
    assert (await change(admin, path, 409, name=" OTHER "))["type"] == "/problems/already-exists"
    await change(admin, path, 422, allowed_labels=["no spaces"])
    tag = (await admin.ask("GET", path)).headers["ETag"]
    await change(admin, path, name="newer")
    stale = await admin.ask("PUT", path, json={"name": "x"}, headers={"If-Match": tag})
    assert stale.status == 412
    developer = await someone(admin, api, "dora", "Developer")
    await change(developer, path, 403, name="x")


@pytest.mark.parametrize("labels", [None, [], ["de"], ["finance"]])
async def test_a_job_adds_labels_and_drops_none(admin, labels):
    process = await admin.make_process(labels=["finance"])
    job = await admin.make_job(process, **({} if labels is None else {"labels": labels}))
    assert job["labels"] == list(dict.fromkeys(["finance", *(labels or [])]))


async def test_a_retry_has_the_labels_of_its_process_now_and_those_its_job_had_added(admin):
    process = await admin.make_process(labels=["finance", "old"])
    job = await admin.make_job(process, labels=["de"])
    await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    await change(admin, f"/api/processes/{process['id']}", labels=["finance", "new"])
    again = await admin.post(f"/api/jobs/{job['id']}/retry", 201)
    assert again["labels"] == ["finance", "new", "de"]
    await admin.post(f"/api/jobs/{again['id']}/cancel", 200)
    third = await admin.post(f"/api/jobs/{again['id']}/retry", 201)
    assert third["labels"] == ["finance", "new", "de"]


async def test_the_agent_of_a_robot_that_moved_gets_no_label_of_the_new_machine(admin):
    mill, press = await a_machine(admin), await a_machine(admin, name="press")
    await change(admin, f"/api/machines/{press['id']}", allowed_labels=["finance"])
    robot, seen = await registered(admin, mill, labels=["finance"])
    moved = await change(admin, f"/api/robots/{seen['id']}", machine_id=press["id"])
    assert shown(moved) == ([], [], [])
    await admin.make_job(await admin.make_process(labels=["finance"]))
    assert (await robot.post("/api/runner/next-job", 200))["job"] is None
    _, seen = await registered(admin, press, labels=["finance"])
    assert shown(seen) == (["finance"], [], [])
