"""Users, roles and tokens: nobody gives what they lack, and one administrator stays."""

import asyncio
from datetime import datetime, timedelta

import pytest

from tests.support.world import ADMIN_PASSWORD


async def make_user(admin, name, status=201, **wanted):
    wanted = {"username": name, "password": ADMIN_PASSWORD, **wanted}
    return await admin.post("/api/access/users", status, **wanted)


async def role_id(admin, name):
    roles = await admin.get("/api/access/roles")
    return next(role["id"] for role in roles if role["name"] == name)


async def put(admin, path, expected=200, **changes):
    return await admin.ask("PUT", path, status=expected, json=changes)


def grants(**rights):
    return [{"artifact": a, **{f"can_{r}": True for r in given}} for a, given in rights.items()]


async def make_role(admin, name, expected=201, **rights):
    body = {"name": name, "permissions": grants(**rights)}
    return await admin.post("/api/access/roles", expected, **body)


async def a_manager(admin, **rights):
    """Somebody who looks after users and roles, with these rights besides."""
    all_ = ["view", "create", "edit", "delete"]
    role = await make_role(admin, "Manager", users=all_, roles=all_, **rights)
    await make_user(admin, "manager", role_ids=[role["id"]])
    return await admin.sign_in("manager")


async def test_a_role_is_made_read_changed_and_deleted(admin):
    role = await make_role(admin, "Clerk", jobs=["create"], queues=["view"])
    [jobs, queues] = role["permissions"]
    assert (jobs["artifact"], jobs["can_view"], jobs["can_edit"]) == ("jobs", True, False)
    assert queues["artifact"] == "queues"
    path = f"/api/access/roles/{role['id']}"
    assert await admin.get(path) == role
    renamed = await put(admin, path, name="Clerks")
    assert renamed["permissions"] == role["permissions"]
    assert (await put(admin, path, permissions=[]))["permissions"] == []
    await make_role(admin, " CLERKS ", 409)
    await make_user(admin, "ada", role_ids=[role["id"]])
    assert "held by 1" in (await admin.ask("DELETE", path, status=409))["detail"]
    users = await admin.get("/api/access/users?search=ada")
    await admin.post(f"/api/access/users/{users[0]['id']}/roles", 200, role_ids=[])
    await admin.ask("DELETE", path, status=204)
    assert (await admin.ask("GET", path)).status == 404


@pytest.mark.parametrize(
    "permissions",
    [
        [{"artifact": "spaceships"}],
        [{"artifact": "jobs", "can_fly": True}],
        [{"artifact": "jobs"}, {"artifact": "jobs"}],
        [{"artifact": "jobs", "can_view": "yes"}],
    ],
)
async def test_a_role_that_makes_no_sense_is_refused(admin, permissions):
    answer = await admin.post("/api/access/roles", name="x", permissions=permissions)
    assert answer.status == 422


async def test_built_in_roles_stay_as_they_are(admin):
    for name in ("Administrator", "Read Only"):
        path = f"/api/access/roles/{await role_id(admin, name)}"
        await put(admin, path, 409, name="mine")
        assert (await admin.ask("DELETE", path)).status == 409
    await make_role(admin, "administrator", 409)


async def test_rights_count_from_the_next_request_on(admin):
    user = await make_user(admin, "ada")
    ada = await admin.sign_in("ada")
    assert (await ada.ask("GET", "/api/jobs")).status == 403
    operator = await role_id(admin, "Operator")
    path = f"/api/access/users/{user['id']}/roles"
    given = await admin.post(path, 200, role_ids=[operator])
    assert given == await admin.get(path) == [{"id": operator, "name": "Operator"}]
    assert (await ada.ask("GET", "/api/jobs")).status == 200
    await admin.post(path, 200, role_ids=[])
    assert (await ada.ask("GET", "/api/jobs")).status == 403
    await put(admin, f"/api/access/users/{user['id']}", is_active=False)
    assert (await ada.ask("GET", "/api/auth/me")).status == 401


@pytest.mark.parametrize("ids", [[1, 1], [1, 999], ["1"], [0], list(range(1, 300))])
async def test_roles_are_given_all_or_none(admin, ids):
    user = await make_user(admin, "ada", role_ids=[2])
    path = f"/api/access/users/{user['id']}/roles"
    assert (await admin.post(path, role_ids=ids)).status == 422
    assert [role["id"] for role in await admin.get(path)] == [2]


async def test_nobody_gives_what_they_lack(admin):
    manager = await a_manager(admin, jobs=["view"])
    kind = "/problems/cannot-grant-more-than-you-have"
    refused = await make_role(manager, "Mine", 403, settings=["edit"])
    assert refused["type"] == kind
    await make_role(manager, "Viewers", jobs=["view"])
    user = await make_user(manager, "ada")
    path = f"/api/access/users/{user['id']}"
    operator = await role_id(admin, "Operator")
    await manager.post(f"{path}/roles", 403, role_ids=[operator])
    await make_user(manager, "bob", 403, role_ids=[operator])
    await make_user(manager, "bob", 403, is_admin=True)
    await put(manager, path, 403, is_admin=True)
    [chief] = await admin.get("/api/access/users?search=admin")
    for attempt in ({"is_active": False}, {"email": "mine@example.com"}, {"is_admin": False}):
        await put(manager, f"/api/access/users/{chief['id']}", 403, **attempt)
    await manager.post(f"/api/access/users/{chief['id']}/reset", 403)
    strong = await make_role(admin, "Strong", settings=["edit"])
    await put(manager, f"/api/access/roles/{strong['id']}", 403, permissions=[])
    program = await admin.post(
        "/api/access/users", 201, username="bot", kind="service", role_ids=[operator]
    )
    await manager.post("/api/access/tokens", 403, name="t", user_id=program["id"])


async def test_nobody_changes_their_own_standing(admin):
    [me] = await admin.get("/api/access/users")
    await admin.post(f"/api/access/users/{me['id']}/roles", 403, role_ids=[])
    for change in ({"is_admin": False}, {"is_active": False}):
        await put(admin, f"/api/access/users/{me['id']}", 403, **change)
    await put(admin, f"/api/access/users/{me['id']}", full_name="The Boss")


async def test_two_administrators_cannot_unmake_each_other(admin):
    [first] = await admin.get("/api/access/users")
    second = await make_user(admin, "second", is_admin=True)
    other = await admin.sign_in("second")
    for _ in range(5):
        answers = await asyncio.gather(
            admin.ask("PUT", f"/api/access/users/{second['id']}", json={"is_admin": False}),
            other.ask("PUT", f"/api/access/users/{first['id']}", json={"is_active": False}),
        )
        assert sorted(answer.status for answer in answers)[0] == 200
        assert sorted(answer.status for answer in answers)[1] in (401, 403, 409)
        winner, loser = (admin, second) if answers[0].status == 200 else (other, first)
        await put(winner, f"/api/access/users/{loser['id']}", is_admin=True, is_active=True)
        if winner is other:
            admin = await admin.sign_in()


async def test_the_last_administrator_stays(admin, server):
    second = await make_user(admin, "second", is_admin=True)
    other = await admin.sign_in("second")
    [first] = await admin.get("/api/access/users?search=admin")
    await put(other, f"/api/access/users/{first['id']}", is_active=False)
    operator = await make_role(other, "Boss", users=["edit", "view"])
    await put(other, f"/api/access/users/{first['id']}", is_active=True, is_admin=False)
    await other.post(f"/api/access/users/{first['id']}/roles", 200, role_ids=[operator["id"]])
    demoted = await other.sign_in("admin")
    await put(demoted, f"/api/access/users/{second['id']}", 403, is_admin=False)


@pytest.mark.parametrize(
    "wanted",
    [
        {"username": "\u0430dmin"},
        {"username": "a b"},
        {"username": ""},
        {"password": "short"},
        {"password": "aaaaaaaaaaaaaaaa"},
        {"username": "correct-horse", "password": "Correct-Horse"},
        {"email": "nobody"},
        {"kind": "service"},
        {"kind": "alien"},
        {"password_hash": "x"},
    ],
)
async def test_a_user_that_makes_no_sense_is_refused(admin, wanted):
    wanted = {"username": "ada", "password": ADMIN_PASSWORD, **wanted}
    assert (await admin.post("/api/access/users", **wanted)).status == 422


async def test_names_of_users_are_unique_in_any_case(admin):
    ada = await make_user(admin, "ada")
    await make_user(admin, "ADA", 409)
    await put(admin, f"/api/access/users/{ada['id']}", 409, username="Admin")


async def test_an_api_token_opens_what_its_scopes_and_its_user_may(admin, api, clock):
    made = await admin.post("/api/access/tokens", 201, name="ci", scopes=["jobs:view"])
    program = api.as_(Authorization=f"Bearer {made['token']}")
    assert (await program.ask("GET", "/api/jobs")).status == 200
    assert (await program.ask("GET", "/api/robots")).status == 403
    assert (await program.ask("POST", "/api/jobs", json={})).status == 403
    for path in ("/api/access/tokens", "/api/auth/password", "/api/auth/logout"):
        body = {"name": "x"} if "tokens" in path else {}
        if "password" in path:
            body = {"current_password": "x", "new_password": "y"}
        assert (await program.ask("POST", path, json=body)).status == 403
    [shown] = await admin.get("/api/access/tokens")
    assert "token" not in shown
    assert shown["last_used_at"] == "2030-01-01T00:00:00Z"
    assert made["token"] not in str(await admin.get("/api/audit"))
    await admin.ask("DELETE", f"/api/access/tokens/{made['id']}", status=204)
    assert (await program.ask("GET", "/api/jobs")).status == 401


async def test_a_service_account_works_with_tokens_alone_until_they_end(admin, api, clock):
    operator = await role_id(admin, "Operator")
    bot = await admin.post(
        "/api/access/users", 201, username="bot", kind="service", role_ids=[operator]
    )
    await admin.post(f"/api/access/users/{bot['id']}/reset", 422)
    until = "2030-01-02T00:00:00Z"
    made = await admin.post(
        "/api/access/tokens", 201, name="t", user_id=bot["id"], expires_at=until
    )
    program = api.as_(Authorization=f"Bearer {made['token']}")
    process = await admin.make_process()
    job = await program.post("/api/jobs", 201, process_id=process["id"])
    assert (job["source"], job["created_by"]) == ("api", "bot")
    assert (await admin.make_job(process))["source"] == "manual"
    clock.advance(days=1)
    admin = await admin.sign_in()
    assert (await program.ask("GET", "/api/jobs")).status == 401
    await admin.post("/api/access/tokens", 422, name="t", expires_at="2029-01-01T00:00:00Z")
    await admin.post("/api/access/tokens", 422, name="t", scopes=["jobs:fly"])
    assert (await api.post("/api/auth/login", username="bot", password="x" * 12)).status == 401


async def test_the_tokens_of_a_person_are_their_own(admin):
    ada = await make_user(admin, "ada")
    person = await admin.sign_in("ada")
    made = await person.post("/api/access/tokens", 201, name="mine")
    assert await admin.get("/api/access/tokens") == []
    await admin.post("/api/access/tokens", 403, name="hers", user_id=ada["id"])
    mine = await admin.post("/api/access/tokens", 201, name="other")
    for token_id in (made["id"], 999):  # nobody learns which there are
        assert (await admin.ask("DELETE", f"/api/access/tokens/{token_id}")).status == 404
    assert (await person.ask("DELETE", f"/api/access/tokens/{mine['id']}")).status == 404


async def test_a_token_with_scopes_makes_no_administrators(admin, api):
    made = await admin.post(
        "/api/access/tokens", 201, name="t", scopes=["users:create", "users:edit", "users:view"]
    )
    program = api.as_(Authorization=f"Bearer {made['token']}")
    await make_user(program, "mallory", 403, is_admin=True)
    plain = await make_user(program, "plain")
    await put(program, f"/api/access/users/{plain['id']}", 403, is_admin=True)
    operator = await role_id(admin, "Operator")
    await program.post(f"/api/access/users/{plain['id']}/roles", 403, role_ids=[operator])
    [chief] = await admin.get("/api/access/users?search=admin")
    await put(program, f"/api/access/users/{chief['id']}", full_name="Me")
    await put(program, f"/api/access/users/{chief['id']}", 403, email="elsewhere@example.com")


async def test_users_are_found_by_name_and_kind_in_pages(admin):
    for n in range(3):
        await make_user(admin, f"ada{n}")
    await admin.post("/api/access/users", 201, username="bot", kind="service")
    [bot] = await admin.get("/api/access/users?kind=service")
    assert (bot["username"], bot["is_active"]) == ("bot", True)
    first = await admin.ask("GET", "/api/access/users?search=ADA&limit=2")
    assert [user["username"] for user in first.body] == ["ada2", "ada1"]
    assert 'rel="next"' in first.headers["Link"]
    rest = await admin.get(f"/api/access/users?search=ada&limit=2&cursor={first.body[-1]['id']}")
    assert [user["username"] for user in rest] == ["ada0"]


async def test_a_name_that_looks_like_the_one_before_is_refused(admin):
    ada = await make_user(admin, "ada")
    for name in ("\uff41da", " ada ", "ada\u200b"):
        await put(admin, f"/api/access/users/{ada['id']}", 422, username=name)
    await put(admin, f"/api/access/users/{ada['id']}", username="Ada")


async def test_who_was_disabled_signs_in_again_and_the_trail_says_so(admin):
    ada = await make_user(admin, "ada")
    person = await admin.sign_in("ada")
    path = f"/api/access/users/{ada['id']}"
    await put(admin, path, is_active=False)
    await put(admin, path, is_active=True)
    assert (await person.ask("GET", "/api/auth/me")).status == 401
    await admin.sign_in("ada")
    trail = await admin.get(f"/api/audit?entity_type=user&entity_id={ada['id']}")
    deeds = [event["action"] for event in trail["items"]]
    assert deeds == ["user.updated", "user.disabled", "user.created"]


async def test_changes_of_one_user_at_once_lose_nothing(admin):
    ada = await make_user(admin, "ada")
    path = f"/api/access/users/{ada['id']}"
    for n in range(10):
        answers = await asyncio.gather(
            admin.ask("PUT", path, json={"is_active": n % 2 == 0}),
            *[admin.ask("PUT", path, json={"full_name": f"Ada {n}"}) for _ in range(3)],
        )
        assert {answer.status for answer in answers} == {200}
        now = await admin.get(path)
        assert (now["is_active"], now["full_name"]) == (n % 2 == 0, f"Ada {n}")


async def test_roles_given_at_once_replace_each_other(admin):
    ada = await make_user(admin, "ada")
    path = f"/api/access/users/{ada['id']}/roles"
    for _ in range(5):
        await asyncio.gather(*[admin.post(path, 200, role_ids=[n]) for n in (1, 2, 3, 4)])
        assert len(await admin.get(path)) == 1


async def test_permissions_given_at_once_replace_each_other(admin):
    role = await make_role(admin, "Clerk")
    path = f"/api/access/roles/{role['id']}"
    wanted = [grants(jobs=["view"]), grants(queues=["view"]), grants(robots=["view"])]
    for _ in range(5):
        await asyncio.gather(*[put(admin, path, permissions=one) for one in wanted])
        assert len((await admin.get(path))["permissions"]) == 1


async def test_tokens_made_at_once_are_not_taken_for_each_other(admin):
    names = [f"t{n}" for n in range(10)]
    made = await asyncio.gather(*[admin.post("/api/access/tokens", 201, name=n) for n in names])
    assert [token["name"] for token in made] == names
    assert all(token["token"].endswith(token["hint"][-4:]) for token in made)


async def test_a_stolen_sign_in_changes_neither_the_password_nor_the_address_of_its_owner(admin):
    me = (await admin.get("/api/auth/me"))["user"]
    path = f"/api/access/users/{me['id']}"
    refused = await admin.post(f"{path}/reset", 403)
    assert "/api/auth/password" in refused["detail"]
    refused = await put(admin, path, 403, email="thief@example.com")
    assert "current_password" in refused["detail"]
    wrong = {"email": "thief@example.com", "current_password": "a guess at it"}
    assert (await put(admin, path, 403, **wrong))["type"] == "/problems/wrong-password"
    assert (await admin.get(path))["email"] is None
    right = {"email": "me@example.com", "current_password": ADMIN_PASSWORD}
    assert (await put(admin, path, **right))["email"] == "me@example.com"
    same = await put(admin, path, email="me@example.com", full_name="Me")  # nothing new in it
    assert same["full_name"] == "Me"
    trail = await admin.get("/api/audit?entity_type=user")
    assert ADMIN_PASSWORD not in str(trail)


async def test_a_token_asks_for_scopes_and_an_end(admin, clock):
    made = await admin.post("/api/access/tokens", 201, name="a", scopes=["jobs:view"])
    assert made["warnings"] == []
    days = datetime.fromisoformat(made["expires_at"]) - clock.now
    assert days == timedelta(days=90)
    made = await admin.post("/api/access/tokens", 201, name="b", expires_at=None)
    assert made["expires_at"] is None
    assert [warning.partition(",")[0] for warning in made["warnings"]] == [
        "It has no scopes",
        "It never expires: give it an `expires_at`",
    ]
