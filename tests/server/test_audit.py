"""The audit trail: found by anything that is known of an event, and tampered with in vain."""

import pytest
from click.testing import CliRunner

from orchestrator_server.__main__ import main
from orchestrator_server.audit import chain
from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE, KEYS, LOGS, OBJECTS, SETTINGS
from orchestrator_server.maintenance.old_things import OldThings


async def actions(admin, query):
    return [e["action"] for e in (await admin.get(f"/api/audit?{query}"))["items"]]


async def test_events_are_found_by_all_that_is_known_of_them(admin, clock):
    await admin.post("/api/queues", 201, name="bills")
    clock.advance(hours=1)
    await admin.post("/api/queues", 201, name="letters")
    me = (await admin.get("/api/auth/me"))["user"]["id"]
    both = ["queue.created", "queue.created"]
    for query, found in {
        "entity_type=queue": both,
        "entity_type=queue&entity_id=1": both[:1],
        "action=queue.created": both,
        "action=created&entity_type=queue": both,
        "action_type=created&entity_type=queue": both,
        "action_type=login": ["session.login"],
        "user=admin&entity_type=queue": both,
        "username=admin&entity_type=queue": both,
        f"user_id={me}&entity_type=queue": both,
        "user_id=999": [],
        "search=letters": both[:1],
        "q=LETTERS": both[:1],
        "search=%25": [],
        "from_time=2030-01-01T00:30:00Z": both[:1],
        "from=2030-01-01T00:30:00": both[:1],
        "to_time=2030-01-01T00:30:00Z&entity_type=queue": both[:1],
        "to=2030-01-01T00:30:00%2B00:00&entity_type=queue": both[:1],
        "from=2030-01-01T00:30:00%2B02:00&entity_type=queue": both,
    }.items():
        assert await actions(admin, query) == found, query


@pytest.mark.parametrize(
    "query",
    ["from_time=notadate", "action_type=flown", "page=0", "page=-1", "page_size=201", "page=abc",
     "from_time=2031-01-01T00:00:00Z&to_time=2030-01-01T00:00:00Z", "colour=red",
     "to_time=9999-12-31T23:59:59-23:59", "search=" + "x" * 201],
)  # fmt: skip
async def test_a_filter_that_makes_no_sense_is_refused(admin, query):
    assert (await admin.ask("GET", f"/api/audit?{query}")).status == 422


async def test_a_page_beyond_the_end_is_empty_with_the_right_total(admin):
    page = await admin.get("/api/audit?page=1000&page_size=50")
    first = await admin.get("/api/audit?page_size=1")
    assert page["items"] == []
    assert page["total"] == first["total"] > 0
    assert len(first["items"]) == 1


async def test_there_is_no_route_that_changes_an_event(admin):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await admin.ask(method, "/api/audit/1")).status == 405


async def a_trail(admin, server):
    for number in range(6):
        await admin.post("/api/queues", 201, name=f"queue {number}")
    while await server[DATABASE].write(chain.link, server[KEYS]):
        pass
    return await verified(server)


async def verified(server):
    return await server[DATABASE].read(chain.verify, server[KEYS])


async def test_an_untouched_trail_verifies_and_grows(admin, server):
    first = await a_trail(admin, server)
    assert (first.broken, first.waiting) == (None, 0)
    await admin.post("/api/queues", 201, name="one more")
    assert (await verified(server)).waiting == 1
    await server[DATABASE].write(chain.link, server[KEYS])
    again = await verified(server)
    assert (again.events, again.broken) == (first.events + 1, None)


TAMPERING = {
    "changed": ("UPDATE audit_events SET actor_username = 'eve' WHERE id = 4", "was changed"),
    "its details changed": ("UPDATE audit_events SET after = '{}' WHERE id = 4", "was changed"),
    "removed": ("DELETE FROM audit_events WHERE id = 4", "was removed"),
    "removed with its link": (
        "DELETE FROM audit_links WHERE event_id = 4", "was removed"),
    "cut off at the end": (
        "DELETE FROM audit_links WHERE seq > 5", "removed at the end"),
    "cut off at the beginning": (
        "DELETE FROM audit_links WHERE seq < 3", "was removed"),
    "swapped": (
        "UPDATE audit_links SET event_id = CASE event_id WHEN 3 THEN -4 WHEN 4 THEN -3 "
        "ELSE event_id END; UPDATE audit_links SET event_id = -event_id WHERE event_id < 0",
        "was changed"),
    "its ends moved": ("UPDATE audit_ends SET last_seq = last_seq - 1", "ends of the chain"),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERING)
async def test_what_was_done_to_the_trail_shows(admin, server, how):
    await a_trail(admin, server)
    statements, why = TAMPERING[how]
    for statement in statements.split(";"):
        await server[DATABASE].write(lambda tx, s=statement: tx.run(Query("tamper", s)))
    assert why in (await verified(server)).broken.why


async def test_old_events_are_forgotten_and_the_rest_still_verifies(admin, server, clock):
    before = await a_trail(admin, server)
    clock.advance(days=10)
    admin = await admin.sign_in()
    await admin.ask("PUT", "/api/settings/logging", status=200, json={"audit_retention_days": 5})
    await server[DATABASE].write(chain.link, server[KEYS])
    old_things = OldThings(
        server[DATABASE], server[SETTINGS], server[LOGS], server[KEYS], server[OBJECTS]
    )
    await old_things.run_once()
    kept = await verified(server)
    assert (kept.broken, kept.events) == (None, 2)
    assert before.events > 2
    assert await actions(admin, "") == ["settings.updated", "session.login"]


async def test_the_command_says_whether_it_was_tampered_with(admin, server, config):
    await a_trail(admin, server)
    args = ["audit", "verify", "--data", str(config.data)]
    args += ["--database-url", config.database_url] if config.database_url else []
    import asyncio

    def run():
        return CliRunner().invoke(main, args)

    good = await asyncio.to_thread(run)
    assert good.exit_code == 0, good.output
    assert "are as they were written" in good.output
    change = Query("tamper", "UPDATE audit_events SET message = 'nothing' WHERE id = 3")
    await server[DATABASE].write(lambda tx: tx.run(change))
    bad = await asyncio.to_thread(run)
    assert (bad.exit_code, "event 3" in bad.output) == (1, True)


async def test_a_chain_that_was_begun_anew_shows_against_a_link_that_was_noted(
    admin, server, config, clock
):
    first = await a_trail(admin, server)
    assert (await verified(server)).last_link == first.last_link

    async def verified_with(noted):
        return (await server[DATABASE].read(chain.verify_since, server[KEYS], noted)).broken

    await admin.post("/api/queues", 201, name="one more")
    await server[DATABASE].write(chain.link, server[KEYS])
    assert await verified_with(first.last_link) is None
    for wrong in ("", "x", "1", f"1:{'0' * 64}", "9999999999999999999:x", "\u0661:x"):
        assert "not there" in (await verified_with(wrong)).why
    for table in ("audit_links", "audit_ends"):
        await server[DATABASE].write(lambda tx, t=table: tx.run(Query("wipe", f"DELETE FROM {t}")))
    change = Query("tamper", "UPDATE audit_events SET message = 'nothing' WHERE id = 2")
    await server[DATABASE].write(lambda tx: tx.run(change))
    await server[DATABASE].write(chain.link, server[KEYS])
    assert (await verified(server)).broken is None  # by itself it looks whole
    assert "not there" in (await verified_with(first.last_link)).why


@pytest.mark.parametrize("command", [["audit", "verify"], ["doctor"]])
def test_a_command_that_only_looks_makes_nothing(tmp_path, command):
    answer = CliRunner().invoke(main, [*command, "--data", str(tmp_path / "nowhere")])
    assert answer.exit_code == 78
    assert "There is no database" in answer.output
    assert not (tmp_path / "nowhere").exists()
