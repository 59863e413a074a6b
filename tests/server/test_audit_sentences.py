"""Every event of the audit trail says in a sentence who did what."""

import ast
import re
from pathlib import Path

import pytest

import orchestrator_server
from orchestrator_server import names
from orchestrator_server.access.callers import SYSTEM, Actor
from orchestrator_server.audit import chain, sentences, service
from orchestrator_server.db.queries import Query
from orchestrator_server.db.rows import Json
from orchestrator_server.http.keys import DATABASE, KEYS
from orchestrator_server.jobs import lifecycle
from sdk.contract.audit import ActionType, ActorType
from sdk.contract.queues import ItemStatus
from tests.support.world import ADMIN_PASSWORD

SENTENCES = sentences._SENTENCES
PARTS = {"seconds": 7, "jobs": 2, "items": 3, "from": 1, "to": 2, "process_id": 4}
NOUNS = {action.partition(".")[0] for action in SENTENCES}
NO_ACTIONS = {  # texts of the same shape: failpoints and names of files
    "claim.before_commit", "claim.after_commit", "result.before_commit", "result.after_commit",
    "database.dump", "server.log", "machine.key", "upload.after_rename", "rotation.after_batch",
}  # fmt: skip


def texts():
    for file in Path(orchestrator_server.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_action_in_the_code_has_a_sentence():
    found = {text for text in texts() if re.fullmatch(r"[a-z_]+\.[a-z_]+", text)}
    actions = {text for text in found if text.partition(".")[0] in NOUNS} - NO_ACTIONS
    assert len(actions) > 50
    assert actions <= set(SENTENCES)


def test_every_way_in_which_something_ends_has_a_sentence():
    ends = {f"job.{status}" for status in lifecycle.FINAL}
    ends |= {
        f"queue_item.{status}" for status in ItemStatus if status not in ("new", "in_progress")
    }
    assert ends <= set(SENTENCES)


@pytest.mark.parametrize("action", SENTENCES)
def test_a_sentence_has_a_subject_a_verb_and_an_object(action):
    actor = Actor(type=ActorType.USER, name="olga")
    said = sentences.sentence(action, actor, "ci", PARTS)
    assert re.fullmatch(r"(olga|User ci|The (server|clock|database)|A [a-z-]+) .*\w", said)
    assert "{" not in said
    assert "_" not in said


async def test_an_action_without_a_sentence_cannot_be_recorded(server):
    with pytest.raises(KeyError, match=r"queue\.painted"):
        await server[DATABASE].write(service.record, SYSTEM, "queue.painted", name="bills")
    assert await server[DATABASE].read(chain.verify, server[KEYS])


async def messages(admin, query=""):
    return [e["message"] for e in (await admin.get(f"/api/audit?{query}"))["items"]]


async def test_the_subject_is_who_did_it(admin, api):
    robot = await admin.make_robot("r1")
    await admin.make_job(await admin.make_process("bills"))
    job = (await robot.post("/api/runner/next-job", 200, claim_key="1"))["job"]
    await robot.post(
        f"/api/runner/jobs/{job['id']}/update", 200, status="failed", attempt=1,
        reason="script_failed", error_message="no",
    )  # fmt: skip
    user = await admin.post("/api/access/users", 201, username="ci", kind="service")
    await admin.post(f"/api/access/users/{user['id']}/roles", 200, role_ids=[])
    await api.ask("POST", "/api/auth/forgot", json={"username": "nobody"})
    assert await messages(admin, "page_size=5") == [
        "A password reset for nobody was requested",
        "admin changed the roles of user ci",
        "admin created user ci",
        "robot r1 ended job 1 as failed",
        "robot r1 claimed job 1",
    ]


async def test_a_refused_sign_in_is_found_by_its_action_and_is_no_login(admin, api):
    for name in ("admin", "olga"):
        await api.ask("POST", "/api/auth/login", json={"username": name, "password": "no"})
    assert await messages(admin, "action=session.refused") == [
        "A sign-in as olga was refused", "A sign-in as admin was refused",
    ]  # fmt: skip
    assert await messages(admin, "action=login") == ["admin signed in"]
    assert await messages(admin, "action_type=login") == ["admin signed in"]
    [newest, *_] = (await admin.get("/api/audit?action=session.refused"))["items"]
    assert newest["action_type"] == ActionType.MODIFIED


STRANGE = "\x1b]0;x\x07\u202egnp\u2066\u200b\x9b31m\r\nx" + "y" * 180


async def test_what_a_stranger_typed_is_kept_bounded_and_without_control_characters(admin, api):
    agent = {"User-Agent": "curl \u202e\u00a0" + "z" * 2_000}
    for path, body in {
        "/api/auth/login": {"username": STRANGE, "password": "no"},
        "/api/auth/forgot": {"email": STRANGE},
        "/api/auth/reset": {"token": STRANGE, "password": ADMIN_PASSWORD},
        "/api/sdk/auth/start": {"machine_name": STRANGE},
    }.items():
        await api.ask("POST", path, json=body, headers=agent)
    events = (await admin.get("/api/audit?user=anonymous"))["items"]
    assert [e["action"] for e in events] == ["password.reset_requested", "session.refused"]
    for event in events:
        assert event["entity_name"].startswith("?]0;x??gnp???31m??xyyy")
        for field in ("entity_name", "message", "user_agent"):
            assert event[field].isprintable()
            assert len(event[field]) <= 300


def test_a_readable_text_keeps_letters_of_all_scripts():
    for text in ("Jürgen", "山田\u3000太郎", "Zoë 😀", "دانا"):
        assert names.readable(text) == text
    assert names.readable("a\u202eb\x00\x9b\ud800") == "a?b???"


async def test_the_chain_of_events_of_an_earlier_version_still_verifies(server):
    old = Query(
        "old",
        "INSERT INTO audit_events (timestamp, actor_type, actor_username, action, action_type,"
        " entity_type, entity_name, message, metadata)"
        " VALUES (:now, 'system', 'anonymous', 'session.login', 'login', 'session', :name,"
        " :message, :metadata)",
    )
    values = {"name": "\x1b[2Jolga", "message": "anonymous: session \x1b[2Jolga login"}
    await server[DATABASE].write(
        lambda tx: tx.run(old, **values, metadata=Json({"outcome": "refused"}))
    )
    while await server[DATABASE].write(chain.link, server[KEYS]):
        pass
    verified = await server[DATABASE].read(chain.verify, server[KEYS])
    assert verified.broken is None
    assert verified.events > 0
