"""Who asked a moment ago is not looked up again, and is somebody else at once when that changes."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator_server.access import service as access
from orchestrator_server.db.queries import Query
from orchestrator_server.http import known as module
from orchestrator_server.http.keys import DATABASE, KNOWN
from orchestrator_server.http.known import Credential, Known
from orchestrator_server.robots import service as robots
from tests.support.world import ADMIN_PASSWORD

SHOWN = Credential(True, "rbt_x", "127.0.0.1", "")


@pytest.fixture
def looked_up(monkeypatch):
    """How often a caller was looked up, by kind."""
    counts = {"person": 0, "robot": 0}

    def counting(kind, do):
        def counted(*args):
            counts[kind] += 1
            return do(*args)

        return counted

    monkeypatch.setattr(access, "person", counting("person", access.person))
    monkeypatch.setattr(robots, "by_token", counting("robot", robots.by_token))
    return counts


async def test_a_caller_is_looked_up_once_and_again_after_a_while(admin, looked_up, clock):
    robot = await admin.make_robot()
    looked_up.update(person=0, robot=0)
    for _ in range(5):
        await robot.post("/api/runner/heartbeat", 200, jobs=[])
        await admin.get("/api/jobs")
    assert looked_up == {"person": 1, "robot": 1}
    clock.advance(seconds=1)
    await admin.get("/api/jobs")
    assert looked_up["person"] == 2
    clock.advance(minutes=1)
    await robot.post("/api/runner/heartbeat", 200, jobs=[])
    assert looked_up["robot"] == 2


async def test_who_comes_from_elsewhere_is_looked_up(admin, looked_up):
    await admin.get("/api/jobs")
    before = looked_up["person"]
    await admin.get("/api/jobs", headers={"User-Agent": "another"})
    assert looked_up["person"] == before + 1


async def test_what_is_taken_from_a_person_here_is_gone_at_once(admin):
    may_look = {"name": "looker", "permissions": [{"artifact": "jobs", "can_view": True}]}
    role = await admin.post("/api/access/roles", 201, **may_look)
    given = {"username": "ada", "password": ADMIN_PASSWORD, "role_ids": [role["id"]]}
    user = await admin.post("/api/access/users", 201, **given)
    ada = await admin.sign_in("ada")
    await ada.get("/api/jobs")
    await admin.post(f"/api/access/users/{user['id']}/roles", 200, role_ids=[])
    assert (await ada.ask("GET", "/api/jobs")).status == 403


def is_alone():
    return True


async def test_a_robot_that_is_deleted_is_refused_at_once(admin):
    robot = await admin.make_robot()
    await robot.post("/api/runner/heartbeat", 200, jobs=[])
    [row] = await admin.get("/api/robots")
    await admin.ask("DELETE", f"/api/robots/{row['id']}", status=204)
    assert (await robot.ask("POST", "/api/runner/heartbeat", json={"jobs": []})).status == 401


async def test_what_another_server_changes_holds_within_a_second(admin, server, monkeypatch):
    robot = await admin.make_robot()
    await robot.post("/api/runner/heartbeat", 200, jobs=[])
    monkeypatch.setattr(server[KNOWN], "_is_alone", lambda: False)
    gone = Query("gone", "UPDATE robots SET deleted_at = created_at")
    await server[DATABASE].write(lambda tx: tx.run(gone))
    real = module.time.monotonic
    monkeypatch.setattr(module.time, "monotonic", lambda: real() + 1.0)
    assert (await robot.ask("POST", "/api/runner/heartbeat", json={"jobs": []})).status == 401


def test_who_was_looked_up_while_something_changed_is_not_kept():
    known = Known(lambda: datetime(2030, 1, 1, tzinfo=UTC), is_alone)
    before = known.generation
    known.forget()
    known.keep(SHOWN, "caller", before)
    assert known.get(SHOWN) is None
    known.keep(SHOWN, "caller", known.generation)
    assert known.get(SHOWN) == "caller"


@pytest.mark.parametrize(
    ("is_robot", "is_alone", "seconds"),
    [(True, True, 60), (True, False, 1), (False, True, 1), (False, False, 1)],
)
def test_a_robot_is_known_for_longer_where_nobody_else_could_change_it(is_robot, is_alone, seconds):
    began = now = datetime(2030, 1, 1, tzinfo=UTC)
    known = Known(lambda: now, lambda: is_alone)
    shown = SHOWN._replace(is_robot=is_robot)
    known.keep(shown, "caller", known.generation)
    now = began + timedelta(seconds=seconds - 0.1)
    assert known.get(shown) == "caller"
    now = began + timedelta(seconds=seconds)
    assert known.get(shown) is None


@pytest.mark.parametrize("seconds", [-1, 60, 3600])
def test_a_clock_that_was_set_ends_it(seconds):
    now = datetime(2030, 1, 1, tzinfo=UTC)
    known = Known(lambda: now, is_alone)
    known.keep(SHOWN, "caller", known.generation)
    now += timedelta(seconds=seconds)
    assert known.get(SHOWN) is None


def test_it_holds_so_many_and_no_more(monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    known = Known(lambda: datetime(2030, 1, 1, tzinfo=UTC), is_alone)
    for number in range(10):
        known.keep(SHOWN._replace(token=str(number)), number, known.generation)
        assert len(known._callers) <= 3
    assert known.get(SHOWN._replace(token="9")) == 9
