"""What scripts ask of an orchestrator: the same of the one in memory as of a real one."""

import asyncio
import json
import sys
import threading
import time
from datetime import date
from types import SimpleNamespace

import pytest

from sdk.runtime import (
    BusinessError,
    ServerError,
    assets,
    credentials,
    job,
    log,
    once,
    queues,
    server,
)
from sdk.runtime.queues import Item
from sdk.testing import Credential, Orchestrator

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(params=["in memory", "real"])
async def world(request, monkeypatch):
    """Somewhere a job runs: assets `key`, `limit` and `erp`, a queue `invoices` of two items."""
    monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.0)
    if request.param == "in memory":
        known = {"key": "sesame", "limit": 7, "erp": Credential("robot", "sesame")}
        with Orchestrator(assets=known, retries=1) as orchestrator:
            for number in (1, 2):
                orchestrator.add_item("invoices", {"n": number}, f"R{number}")
            use(monkeypatch, orchestrator.url, orchestrator.environment["RUNWRIGHT_JOB_TOKEN"])
            yield SimpleNamespace(
                items=lambda: statuses_in(orchestrator),
                artifacts=lambda: {n: len(c) for n, c in orchestrator.artifacts.items()},
            )
        return
    admin = request.getfixturevalue("admin")
    robot = await admin.make_robot()
    await admin.post("/api/assets", 201, name="key", type="secret", value="sesame",
                     any_process=True)  # fmt: skip
    await admin.post("/api/assets", 201, name="limit", type="int", value=7)
    await admin.post("/api/assets", 201, name="erp", type="credential", value="sesame",
                     username="robot", any_process=True)  # fmt: skip
    await admin.post("/api/queues", 201, name="invoices", max_retries=1,
                     enforce_unique_reference=True)  # fmt: skip
    for number in (1, 2):
        await admin.post("/api/queue-items", 201, queue_id=1, payload={"n": number},
                         reference=f"R{number}")  # fmt: skip
    await admin.make_job(await admin.make_process())
    granted = (await robot.post("/api/runner/next-job", 200))["job"]
    use(monkeypatch, admin.url, granted["job_token"])
    loop = asyncio.get_running_loop()

    def read(path):
        return asyncio.run_coroutine_threadsafe(admin.get(path), loop).result(10)

    yield SimpleNamespace(
        items=lambda: {item["reference"]: item["status"] for item in read("/api/queue-items")},
        artifacts=lambda: {a["name"]: a["size_bytes"] for a in read("/api/jobs/1/artifacts")},
    )


def use(monkeypatch, url, token):
    monkeypatch.setenv("RUNWRIGHT_URL", url)
    monkeypatch.setenv("RUNWRIGHT_JOB_TOKEN", token)


def statuses_in(orchestrator):
    return {item.reference: item.status for item in orchestrator.items("invoices")}


async def as_script(work):
    """On a thread, as a script: the server needs this one."""
    async with asyncio.timeout(30):
        return await asyncio.to_thread(work)


async def test_assets_and_credentials_are_read(admin, world):
    assert await as_script(lambda: (assets.get("KEY"), assets.get("limit"))) == ("sesame", 7)
    erp = await as_script(lambda: credentials.get("erp"))
    assert (erp.username, erp.password) == ("robot", "sesame")
    assert "sesame" not in repr(erp)
    with pytest.raises(TypeError, match=r"credentials\.get"):
        await as_script(lambda: assets.get("erp"))
    with pytest.raises(TypeError, match=r"assets\.get"):
        await as_script(lambda: credentials.get("key"))
    with pytest.raises(ServerError, match="There is no asset none") as caught:
        await as_script(lambda: assets.get("none"))
    assert caught.value.status == 404


async def test_an_item_ends_as_its_block_does(admin, world):
    queue = queues.queue("Invoices")

    def work():
        with queue.take() as first:
            assert (first.payload, first.reference, first.retries) == ({"n": 1}, "R1", 0)
            first.result = {"paid": True}
        with queue.take():
            raise BusinessError("there is no such supplier")
        return queue.take()

    assert await as_script(work) is None
    assert await as_script(world.items) == {"R1": "completed", "R2": "failed"}


@pytest.mark.parametrize("result", [object(), "a\0b", {"n": 2**64}, "\ud800", [float("nan")]])
async def test_a_result_that_is_no_json_fails_the_item(admin, world, result):
    def work():
        with queues.queue("invoices").take() as item:
            item.result = result

    with pytest.raises((TypeError, ValueError), match="The result of an item must be JSON"):
        await as_script(work)
    assert (await as_script(world.items))["R1"] == "new"  # failed, and tried again


async def test_an_item_fails_whatever_characters_say_why(admin, world):
    def work():
        with queues.queue("invoices").take():
            raise BusinessError("page 1\0page 2 \ud800")

    await as_script(work)
    assert (await as_script(world.items))["R1"] == "failed"


async def test_any_other_error_goes_on_and_the_item_is_tried_again(admin, world):
    queue = queues.queue("invoices")

    def fail():
        with queue.take():
            raise ZeroDivisionError("this attempt")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await as_script(fail)
    statuses = await as_script(world.items)
    assert statuses == {"R1": "failed", "R2": "new"}


async def test_an_item_is_put_in_from_a_job(admin, world):
    assert await as_script(lambda: queues.queue("invoices").add({"n": 3}, reference="R3")) > 0
    assert (await as_script(world.items))["R3"] == "new"
    with pytest.raises(ServerError) as caught:
        await as_script(lambda: queues.queue("none").add({}))
    assert caught.value.status == 404


async def test_a_step_is_done_once(admin, world):
    done = []

    def step():
        done.append(1)
        return {"number": len(done)}

    for _ in range(3):
        assert await as_script(lambda: once("pay 7/2030", step)) == {"number": 1}
    assert done == [1]
    assert [await as_script(lambda: once("for its effect", lambda: None)) for _ in "ab"] == [
        None
    ] * 2
    assert await as_script(lambda: once("a day", lambda: date(2030, 1, 2))) == "2030-01-02"
    assert await as_script(lambda: once("another", step)) == {"number": 2}


@pytest.mark.parametrize(
    ("status", "work"),
    [
        (404, lambda: once("k" * 256, lambda: 1)),
        (413, lambda: once("large", lambda: "x" * 70_000)),
        (422, lambda: queues.queue("invoices").add([1])),
        (422, lambda: queues.queue("invoices").add({}, reference="R" * 256)),
        (422, lambda: queues.queue("invoices").add({}, deadline="tomorrow")),
        (413, lambda: queues.queue("invoices").add({"n": "x" * 1_100_000})),
        (422, lambda: job.artifact(__file__, "a/b.txt")),
        (422, lambda: job.artifact(__file__, "..")),
    ],
)
async def test_what_does_not_fit_is_refused(admin, world, status, work):
    with pytest.raises(ServerError) as caught:
        await as_script(work)
    assert caught.value.status == status, caught.value


async def test_items_come_by_priority_and_not_before_their_time(admin, world):
    queue = queues.queue("invoices")

    def work():
        queue.add({"n": "later"}, defer_until="2999-01-01T00:00:00Z")
        queue.add({"n": "later"}, defer_until="2999-01-01T00:00:00")
        queue.add({"n": "first"}, priority=5, defer_until="2001-01-01T00:00:00")
        return [queue.take().payload["n"] for _ in range(3)] + [queue.take()]

    assert await as_script(work) == ["first", 1, 2, None]


async def test_an_item_is_renewed_while_it_is_worked_on(monkeypatch, database_url):
    asked = []
    module = sys.modules["sdk.runtime.queues"]  # `sdk.runtime.queues` is what scripts import
    monkeypatch.setattr(module, "LEAST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(server, "ask", lambda method, path, *_, **__: asked.append(path))
    content = {"id": 7, "payload": {}, "reference": None, "retries": 0, "attempt": 1}
    with Item(content, 0.03):
        until = time.monotonic() + 10
        while len(asked) < 3 and time.monotonic() < until:
            time.sleep(0.01)
    assert asked[:3] == ["/api/queue-items/7/renew"] * 3
    assert asked[-1] == "/api/queue-items/7/complete"


def test_without_an_orchestrator_it_says_how_to_get_one(monkeypatch, database_url):
    monkeypatch.delenv("RUNWRIGHT_URL", raising=False)
    with pytest.raises(ServerError, match="sdk run"):
        assets.get("key")
    assert once("key", lambda: 7) == 7


class Dropping(threading.Thread):
    """A server that drops so many connections before it answers."""

    def __init__(self, drops, status=200, headers=""):
        super().__init__(daemon=True)
        import socket

        self.socket = socket.create_server(("127.0.0.1", 0))
        self.drops, self.status, self.headers, self.seen = drops, status, headers, 0
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            self.seen += 1
            with connection:
                if self.seen > self.drops:
                    connection.recv(65536)
                    body = json.dumps({"known": True, "value": 7})
                    connection.sendall(
                        f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n"
                        f"{self.headers}\r\n{body}".encode()
                    )


def test_an_outage_is_sat_out(monkeypatch, database_url):
    monkeypatch.setattr(server, "FIRST_PAUSE_SECONDS", 0.01)
    dropping = Dropping(3)
    dropping.start()
    use(monkeypatch, dropping.url, "t")
    assert once("key", lambda: 1) == 7
    assert dropping.seen == 4


def test_the_token_does_not_follow_to_another_host(monkeypatch, database_url):
    monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.0)
    other = Dropping(0)
    first = Dropping(0, 302, f"Location: {other.url}/\r\n")
    for thread in (other, first):
        thread.start()
    use(monkeypatch, first.url, "t")
    with pytest.raises(ServerError):
        assets.get("key")
    assert (first.seen, other.seen) == (1, 0)


def test_a_line_of_the_log_has_fields(capsys, database_url):
    log.info("paid two", invoice="A 7", amount=7.5, ok=True, at=date(2030, 1, 2))
    [line] = capsys.readouterr().out.splitlines()
    said = 'level=info msg="paid two" invoice="A 7" amount=7.5 ok=true at=2030-01-02'
    assert line.split(" ", 1)[1] == said


async def test_a_file_is_left_for_people(admin, world, tmp_path):
    (tmp_path / "page.png").write_bytes(b"\x89PNG" * 100_000)
    await as_script(lambda: job.artifact(tmp_path / "page.png", "Page 1.png"))
    assert await as_script(world.artifacts) == {"Page 1.png": 400_000}
    with pytest.raises(FileNotFoundError):
        await as_script(lambda: job.artifact(tmp_path / "none.png"))
    with pytest.raises(ValueError, match="a name in UTF-8"):
        await as_script(lambda: job.artifact(tmp_path / "page.png", "\udcff.png"))
