"""One canary for each kind of secret: it is in no answer, no stored text, no file and no log."""

import json
import logging
import re
from importlib import resources

from orchestrator_server.app import ROUTES
from orchestrator_server.db.queries import Query
from orchestrator_server.http.identify import Door
from orchestrator_server.http.keys import DATA_FOLDER, DATABASE

CANARY = "canary-9f41-nobody-may-see"


async def plant(admin):
    """A canary in every field that takes a secret; gives what the answers were."""
    login = {"username": "erp", "password": CANARY}
    said = [
        await admin.post("/api/assets", 201, name="key", type="secret", value=CANARY),
        await admin.post("/api/assets", 201, name="erp", type="credential", value=CANARY,
                         username="erp"),
        await admin.post("/api/robots", 201, name="clerk", credential=login),
        await admin.post("/api/access/users", 201, username="eve", password=CANARY),
        await admin.ask("PUT", "/api/settings/email", status=200, json={"password": CANARY}),
        await admin.ask("PUT", "/api/assets/1", status=200, json={"description": "the key"}),
        await admin.post("/api/assets", 409, name="KEY", type="secret", value=CANARY),
        await admin.post("/api/assets", 422, name="x", type="nothing", value=CANARY),
        await admin.post("/api/auth/login", 401, username="nobody", password=CANARY),
    ]  # fmt: skip
    process = await admin.make_process()
    await admin.make_job(process)
    await admin.post("/api/queues", 201, name="invoices")
    return said


async def everything_people_can_read(admin):
    for route in ROUTES:
        if route.method != "GET" or route.door not in (Door.PEOPLE, Door.PUBLIC):
            continue
        if "stream" in route.path or "text/event-stream" in route.media_types:
            continue
        path = route.path
        for name in (*route.ids, *route.texts):
            path = path.replace(f"{{{name}}}", "1" if name in route.ids else "key")
        yield path, (await admin.ask("GET", path)).body
    for search in (CANARY, CANARY[:6]):
        yield "search", await admin.get("/api/assets", params={"search": search})


def tables():
    scripts = (resources.files("orchestrator_server.db") / "migrations").iterdir()
    text = "".join(script.read_text() for script in scripts)
    return sorted(set(re.findall(r"CREATE TABLE (\w+)", text)))


async def test_no_secret_is_where_it_can_be_read(admin, server, caplog):
    caplog.set_level(logging.DEBUG)
    said = await plant(admin)
    assert CANARY not in json.dumps(said)

    read = [(path, body) async for path, body in everything_people_can_read(admin)]
    assert len(read) > 40
    assert [path for path, body in read if CANARY in str(body)] == []

    stored = {
        table: await server[DATABASE].read(
            lambda tx, table=table: tx._session.fetch(Query("all", f"SELECT * FROM {table}"), {})
        )
        for table in tables()
    }
    assert stored["assets"]
    assert [table for table, rows in stored.items() if CANARY in str(rows)] == []

    files = [path for path in server[DATA_FOLDER].rglob("*") if path.is_file()]
    assert files
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []
    assert CANARY not in caplog.text
