"""Two agents with one name and key: the later one ends; a restart is no second agent."""

import asyncio

import pytest


@pytest.fixture
async def machine(admin):
    return await admin.post("/api/machines", 201, name="mill")


@pytest.fixture
def agent(api, machine):
    """Register one run of an agent as a robot: the robot's view of the server, or the refusal."""

    async def register(life, name="robot", instance="folder", **more):
        answer = await api.post(
            "/api/runner/register-robot",
            name=name,
            machine_key=machine["machine_key"],
            agent_version="1.2.3",
            agent_instance=instance,
            **({"life": life} if life else {}),
            **more,
        )
        if answer.status != 200:
            return answer
        robot = api.as_(**{"X-Robot-Token": answer.body["api_token"]})
        await robot.post("/api/runner/heartbeat", 200, jobs=[])
        return robot

    return register


async def is_known(robot):
    return (await robot.post("/api/runner/heartbeat", jobs=[])).status == 200


async def events(admin, action):
    return (await admin.get(f"/api/audit?action={action}"))["items"]


@pytest.mark.parametrize("instance", ["folder", "other"], ids=["copied folder", "other folder"])
async def test_of_two_that_are_alive_the_one_that_registered_later_is_refused(
    admin, agent, instance
):
    first = await agent("first")
    second = await agent("second", instance=instance)
    assert await is_known(second) and not await is_known(first)
    first = await agent("first")  # as it does when its token is refused
    assert await is_known(first) and not await is_known(second)
    refused = await agent("second", instance=instance)
    assert (refused.status, refused.kind) == (409, "robot-in-use")
    assert "registered first" in refused.body["detail"]
    assert await is_known(first)
    [robot] = await admin.get("/api/robots")
    assert robot["duplicate_agent_at"] is not None
    [event] = await events(admin, "robot.duplicate_refused")
    assert (event["entity_name"], event["entity_id"]) == ("robot", robot["id"])


async def test_a_restart_is_no_second_agent_and_goes_through_at_once(admin, agent, clock):
    for life in ("one", "two", "three"):
        robot = await agent(life)
        assert await is_known(robot)
        clock.advance(seconds=1)
    assert (await admin.get("/api/robots"))[0]["duplicate_agent_at"] is None


async def test_a_restart_beside_a_refused_agent_goes_through_too(agent):
    await agent("first")
    await agent("second", instance="other")
    await agent("first")
    assert (await agent("second", instance="other")).kind == "robot-in-use"
    assert await is_known(await agent("first-again"))


async def test_a_second_agent_that_is_started_again_and_again_disturbs_nobody(admin, agent, clock):
    """It has another instance, since an agent that is refused takes a new one."""
    await agent("first")
    await agent("second")
    first = await agent("first")
    assert (await agent("second")).kind == "robot-in-use"
    for number in range(20):
        again = await agent(f"second-{number}", instance=f"new-{number % 2}")
        assert again.kind == "robot-in-use"
        assert await is_known(first)
        clock.advance(seconds=5)
    assert len(await events(admin, "robot.duplicate_refused")) == 1
    assert len(await events(admin, "robot.registered")) == 1


async def test_a_second_agent_that_one_robot_knows_is_known_to_all_of_them(agent):
    for name in ("robot-1", "robot-2"):
        await agent("first", name=name)
    await agent("second", name="robot-1")
    await agent("first", name="robot-1")
    assert (await agent("second", name="robot-1")).kind == "robot-in-use"
    assert (await agent("again", name="robot-2", instance="new")).kind == "robot-in-use"


async def test_the_second_agent_may_take_over_when_the_first_one_is_gone(agent, clock):
    await agent("first")
    await agent("second", instance="other")
    await agent("first")
    assert (await agent("second", instance="other")).kind == "robot-in-use"
    clock.advance(minutes=10)
    assert await is_known(await agent("second-later", instance="other"))


async def test_who_was_suspended_for_long_does_not_end_the_one_that_replaced_it(agent, clock):
    await agent("first")
    second = await agent("second", instance="other")
    clock.advance(minutes=6)
    assert await is_known(second)
    assert (await agent("first")).kind == "robot-in-use"
    assert await is_known(second)


async def test_of_two_with_several_robots_one_is_the_first_for_all_of_them(agent):
    """They start together, and each is the first to register as one of the robots."""
    await agent("a", name="robot-1")
    await agent("b", name="robot-2")
    await agent("b", name="robot-1")
    await agent("a", name="robot-2")
    assert await is_known(await agent("a", name="robot-1"))
    for name in ("robot-1", "robot-2"):
        assert (await agent("b", name=name)).kind == "robot-in-use"
        assert await is_known(await agent("a", name=name))


async def test_agents_that_do_not_send_their_run_work_as_before(agent):
    old = await agent(None)
    other = await agent(None, instance="other")
    assert await is_known(other) and not await is_known(old)
    new = await agent("first", instance="other")
    assert await is_known(new)
    assert await is_known(await agent(None))
    assert await is_known(await agent("first", instance="other"))


async def test_registrations_that_change_nothing_are_not_in_the_audit(admin, agent):
    for life in ("one", "one", "two", "three"):
        await agent(life)
    assert len(await events(admin, "robot.registered")) == 1
    await agent("four", instance="other")
    [machine] = await admin.get("/api/machines")
    allowed = {"allowed_labels": ["gpu"]}
    await admin.ask("PUT", f"/api/machines/{machine['id']}", status=200, json=allowed)
    await agent("five", instance="other", labels=["gpu"])
    assert len(await events(admin, "robot.registered")) == 3


async def test_of_two_that_start_at_the_same_moment_exactly_one_is_left(agent):
    """Each registers again as long as it is not refused, as one whose token is not known does."""
    robots = [f"robot-{n}" for n in range(3)]
    alive = {"a", "b"}
    for _ in range(3):
        asked = [(life, name) for name in robots for life in sorted(alive)]
        answers = await asyncio.gather(*(agent_of(agent, *one) for one in asked))
        alive -= {life for (life, _), kind in zip(asked, answers, strict=True) if kind}
    assert len(alive) == 1
    for name in robots:
        assert await is_known(await agent(*alive, name=name))


async def agent_of(agent, life, name):
    """The kind of the refusal, if it is refused; its token may be gone before it is used."""
    try:
        return getattr(await agent(life, name=name), "kind", None)
    except AssertionError:
        return None
