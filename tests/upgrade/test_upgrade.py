"""Data, agents and commands of earlier releases go on working.

What they wrote is read and migrated by this server, agent and `sdk`; and an agent and a `sdk` of
theirs work with this server. `record.py` says what was recorded.
"""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from orchestrator_server import app as server_app
from orchestrator_server.app import create_app
from orchestrator_server.config import Config
from sdk import profiles, token_store
from tests.conftest import fast_passwords, serving
from tests.program.test_moving import moved
from tests.sdk.command import ROOT, Sdk
from tests.support.processes import a_server
from tests.support.world import api_at
from tests.test_journey import job_when
from tests.upgrade.conftest import CASES

LISTS = (
    *("access/users", "access/roles", "access/tokens", "machines", "robots", "packages"),
    *("processes", "jobs", "queues", "queue-items", "assets"),
)


@asynccontextmanager
async def at_its_time(recorded, clock, monkeypatch):
    """This server on that data, an hour later; gives the administrator's view."""
    monkeypatch.setattr(server_app, "Passwords", fast_passwords)
    clock.now = datetime.fromisoformat(recorded.told["recorded_at"]) + timedelta(hours=1)
    config = Config(data=recorded.data, database_url=recorded.database_url)
    async with serving(create_app(config, clock)) as app, api_at(app["url"]) as api:
        yield await api.sign_in(password=recorded.told["password"])


@asynccontextmanager
async def an_agent(program, admin, recorded):
    """`program` is the agent's sources: this release's or the recorded one's."""
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "robot_agent", "run", "--url", admin.url),
        *("--name", "bot", "--data", str(recorded.agent)),
        env={
            **os.environ,
            "RUNWRIGHT_MACHINE_KEY": recorded.told["machine_key"],
            "PYTHONPATH": str(program),
        },
        cwd=recorded.agent,
    )
    try:
        yield agent
        agent.terminate()
        async with asyncio.timeout(30):
            assert await agent.wait() == 0
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()


@pytest.fixture
async def upgraded(recorded):
    """This server at work on that data, as a process; gives the administrator's view."""
    async with (
        a_server(recorded.data, recorded.database_url) as server,
        api_at(server.url) as api,
    ):
        yield await api.sign_in(password=recorded.told["password"])


async def test_everything_can_be_read(recorded, clock, monkeypatch):
    async with at_its_time(recorded, clock, monkeypatch) as admin:
        for name in LISTS:
            assert await admin.get(f"/api/{name}"), name
        assert (await admin.get("/api/audit"))["total"] > 10
        assert (await admin.get("/api/settings"))["email"]["password"] == "***"
        log = await admin.get(f"/api/jobs/{recorded.told['paid_job_id']}/logs")
        assert b"hello ada" in log
        ci = admin.as_(Authorization=f"Bearer {recorded.told['api_token']}")
        assert await ci.get("/api/processes")


async def test_a_request_that_was_answered_is_answered_the_same(recorded, clock, monkeypatch):
    async with at_its_time(recorded, clock, monkeypatch) as admin:
        answer = await admin.ask(
            "POST",
            "/api/jobs",
            json=recorded.told["repeated_request"],
            headers={"Idempotency-Key": "recorded"},
            status=201,
        )
        known = recorded.told["repeated_answer"]
        assert {name: answer[name] for name in known} == known


async def test_what_was_read_so_far_can_still_be_read(recorded, clock, monkeypatch):
    async with at_its_time(recorded, clock, monkeypatch) as admin:
        payroll = recorded.told["process_ids"]["payroll"]
        secrets = {a["name"]: a for a in await admin.get("/api/assets") if a["value"] == "***"}
        readers = {name: asset["process_ids"] for name, asset in secrets.items()}
        login = recorded.told["robot_login"]
        assert readers == {"vault": [payroll], "erp": [payroll], login: [payroll], "unread": []}
        assert not any(asset["any_process"] for asset in secrets.values())
        found = await admin.get(f"/api/processes/{payroll}/secrets")
        assert {secret["from_version"] for secret in found} == {1}
        granted = (await admin.get("/api/audit?action=asset.granted"))["items"]
        assert {(e["actor_type"], e["actor_username"]) for e in granted} == {("system", "system")}


async def test_built_in_roles_gain_what_they_have_by_now(recorded, clock, monkeypatch):
    async with at_its_time(recorded, clock, monkeypatch) as admin:
        roles = await admin.get("/api/access/roles")
        operator = next(role for role in roles if role["name"] == "Operator")
        [edit] = [p for p in operator["permissions"] if p["artifact"] == "processes"]
        assert (edit["can_view"], edit["can_edit"], edit["can_create"]) == (True, True, False)
        [event] = (await admin.get("/api/audit?action=role.updated"))["items"]
        details = await admin.get(f"/api/audit/{event['id']}")
        assert details["metadata"] == {"gained": ["processes:edit"]}


async def test_robots_keep_their_labels(recorded, clock, monkeypatch):
    async with at_its_time(recorded, clock, monkeypatch) as admin:
        robot = await admin.get(f"/api/robots/{recorded.told['robot_id']}")
        assert set(robot["labels"]) >= {"sap", "finance"}
        assert set(robot["assigned_labels"]) >= {"sap", "finance"}


async def test_the_doctor_finds_all_in_order_and_lists_what_to_review(recorded, upgraded):
    doctor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator_server", "doctor", "--data", recorded.data),
        *(["--database-url", recorded.database_url] if recorded.database_url else []),
        stdout=asyncio.subprocess.PIPE,
    )
    told = (await doctor.communicate())[0].decode()
    assert doctor.returncode == 0, told
    assert "asset vault, process payroll" in told
    assert "robot bot: sap, finance" in told
    assert "token ci of ci" in told


async def test_what_has_run_may_be_built_ahead(upgraded):
    robot = await upgraded.make_robot("fresh")
    asked = {"changes_since": "2000-01-01T00:00:00Z", "supports_may_build": True}
    answer = await robot.post("/api/runner/heartbeat", 200, **asked)
    assert True in [one["may_build"] for one in answer["prepare"]]


async def test_a_report_that_was_open_is_delivered(recorded, upgraded):
    job = {"id": recorded.told["open_job_id"]}
    assert (await upgraded.get(f"/api/jobs/{job['id']}"))["status"] == "running"
    async with an_agent(ROOT, upgraded, recorded):
        ended = await job_when(upgraded, job, "completed", "failed")
    assert (ended["status"], ended["result"]) == ("completed", {"slept": True})


async def test_an_agent_of_that_release_works_with_this_server(recorded, upgraded):
    processes = recorded.told["process_ids"]
    async with an_agent(recorded.clients, upgraded, recorded):
        plain = await upgraded.post("/api/jobs", 201, process_id=processes["plain"])
        ended = await job_when(upgraded, plain, "completed", "failed")
        assert (ended["status"], ended["labels"]) == ("completed", [])
        [queue] = await upgraded.get("/api/queues")
        item = {"queue_id": queue["id"], "payload": {"net": 5}, "reference": "later"}
        await upgraded.post("/api/queue-items", 201, **item)
        parameters = {"login": recorded.told["robot_login"], "who": "grace"}
        paid = await upgraded.post(
            "/api/jobs", 201, process_id=processes["payroll"], parameters=parameters
        )
        ended = await job_when(upgraded, paid, "completed", "failed")
    assert (ended["status"], ended["result"]) == ("completed", {"paid": "grace"})


async def test_the_command_of_that_release_works_with_this_server(recorded, upgraded, tmp_path):
    token = (await upgraded.post("/api/access/tokens", 201, name="laptop"))["token"]
    where = {"RUNWRIGHT_URL": upgraded.url, "RUNWRIGHT_TOKEN": token}
    sdk = Sdk(tmp_path / "home", PYTHONPATH=str(recorded.clients), **where)
    made = await sdk("init", "greet", cwd=tmp_path)
    assert made.code == 0, made.err
    published = await sdk("publish", cwd=tmp_path / "greet")
    assert published.code == 0, published.err
    started = await sdk("start", "greet", "--param", "name=Ada", cwd=tmp_path / "greet")
    assert started.code == 0, started.err
    async with an_agent(recorded.clients, upgraded, recorded):
        followed = await sdk("start", "greet", "--param", "name=Ada", "--follow", cwd=tmp_path)
    assert followed.code == 0, followed.err
    for words in (["jobs"], ["queues"], ["assets"], ["whoami"]):
        assert (await sdk(*words, cwd=tmp_path)).code == 0, words


def test_a_sign_in_of_that_release_is_known_to_this_command(recorded, monkeypatch):
    monkeypatch.setenv("RUNWRIGHT_CONFIG_DIR", str(recorded.signed_in))
    known = profiles.load()
    profile = known.by_name[known.default]
    assert (known.default, profile.username) == ("recorded", "admin")
    assert token_store.read(profile.kept_in, "recorded") == recorded.told["sdk_token"]


@pytest.mark.parametrize("recorded", [c for c in CASES if c[1] == "sqlite"], indirect=True)
async def test_everything_is_moved_to_postgresql(recorded, postgres_databases, clock, monkeypatch):
    name = postgres_databases.create()
    new = Config(data=recorded.data, database_url=postgres_databases.url_of(name))
    done = await moved(new)
    assert done.returncode == 0, done.stderr
    assert "  artifacts: 1\n" in done.stdout and "  asset_grants: 3\n" in done.stdout
    recorded.database_url = new.database_url
    async with at_its_time(recorded, clock, monkeypatch) as admin:
        for listed in LISTS:
            assert await admin.get(f"/api/{listed}"), listed
    postgres_databases.drop(name)
