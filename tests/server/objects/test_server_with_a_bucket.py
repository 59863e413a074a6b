"""A server whose packages, artifacts and old logs are in a bucket: whoever asks sees the same."""

import os
from datetime import timedelta

import aiohttp
import msgspec
import pytest

from orchestrator_server import keys
from orchestrator_server.app import create_app
from orchestrator_server.errors import Unavailable
from orchestrator_server.http.keys import (
    DATA_FOLDER,
    DATABASE,
    KEYS,
    LOGS,
    OBJECTS,
    SETTINGS,
)
from orchestrator_server.maintenance import old_things
from orchestrator_server.maintenance.old_things import OldThings
from orchestrator_server.objects import bucket
from orchestrator_server.objects.open import OWNER, open_store
from orchestrator_server.objects.store import WrongStore
from tests.conftest import serving
from tests.server.test_artifacts import claimed, leave
from tests.support.world import archive

CONTENT = archive(main="print(1)")


@pytest.fixture
def config(config, s3_server, s3_environment):
    return msgspec.structs.replace(config, store=f"s3://{s3_server.bucket()}/mill")


@pytest.fixture
async def robot(admin):
    return await admin.make_robot()


@pytest.fixture
async def job(admin, robot):
    await admin.make_job(await admin.make_process(content=CONTENT))
    return await claimed(robot)


async def kept(server, folder=""):
    """What is in the bucket, but for who owns it."""
    return sorted([f.name async for f in server[OBJECTS].list(folder) if f.name != OWNER])


def files_here(server):
    folders = ("packages", "artifacts", "incoming", "logs")
    files = [file for folder in folders for file in (server[DATA_FOLDER] / folder).rglob("*")]
    return [file.name for file in files if file.is_file()]


async def overwrite(server, name, content, tmp_path):
    file = tmp_path / "other"
    file.write_bytes(content)
    await server[OBJECTS].put(name, file, replace=True)


def cleaner(server):
    return OldThings(
        server[DATABASE], server[SETTINGS], server[LOGS], server[KEYS], server[OBJECTS]
    )


async def test_a_package_is_in_the_bucket_and_a_robot_fetches_it_whole_or_in_part(
    admin, server, job, robot
):
    [name] = await kept(server)
    assert name.startswith("packages/hello_1.0.0_")
    assert files_here(server) == []
    whole = await robot.ask("GET", "/api/packages/1/download", status=None)
    assert (whole.status, whole.body) == (200, CONTENT)
    part = await robot.ask("GET", "/api/packages/1/download", headers={"Range": "bytes=2-5"})
    assert (part.status, part.body) == (206, whole.body[2:6])


async def test_a_refused_upload_leaves_nothing_in_the_bucket(admin, server):
    await admin.upload()
    before = await kept(server)
    await admin.upload(content=archive(main="other"), status=409)
    await admin.upload(content=b"no zip", status=422)
    assert await kept(server) == before
    assert files_here(server) == []
    await admin.ask("DELETE", "/api/packages/1", status=204)
    assert await kept(server) == []


async def test_an_artifact_comes_and_goes(admin, server, job, monkeypatch):
    monkeypatch.setattr(bucket, "PIECE_BYTES", 1000)
    content = os.urandom(3500)
    left = await leave(job, content=b"one")
    assert len(await kept(server, "artifacts/")) == 1
    left = await leave(job, content=content)
    assert len(await kept(server, "artifacts/")) == 1
    got = await admin.ask("GET", f"/api/jobs/1/artifacts/{left['id']}")
    assert got.body == content
    assert files_here(server) == []


async def test_what_is_damaged_in_the_bucket_is_never_given_out_as_whole(
    admin, server, job, tmp_path, monkeypatch
):
    monkeypatch.setattr(bucket, "PIECE_BYTES", 1000)
    small, large = await leave(job, "small", b"small"), await leave(job, "large", bytes(3500))
    missing = await leave(job, "missing", b"missing")
    for name in await kept(server, "artifacts/"):
        size_bytes = await server[OBJECTS].size_bytes(name)
        if size_bytes == missing["size_bytes"]:
            await server[OBJECTS].remove([name])
        else:
            await overwrite(server, name, b"x" * size_bytes, tmp_path)
    for artifact, word in ((small, "damaged"), (missing, "missing")):
        answer = await admin.ask("GET", f"/api/jobs/1/artifacts/{artifact['id']}", status=None)
        assert answer.status == 404
        assert word in answer.body["detail"]
    of_large = f"/api/jobs/1/artifacts/{large['id']}"
    with pytest.raises(aiohttp.ClientPayloadError):
        await admin.ask("GET", of_large)
    again = await admin.ask("GET", of_large)  # it is known now, so this is no end of asking
    assert (again.status, again.body["type"]) == (404, "/problems/damaged")
    [name] = [n for n in await kept(server, "artifacts/") if await is_of(server, n, large)]
    await overwrite(server, name, bytes(3500), tmp_path)
    assert (await admin.ask("GET", of_large)).body == bytes(3500)


async def is_of(server, name, artifact):
    return await server[OBJECTS].size_bytes(name) == artifact["size_bytes"]


async def test_a_damaged_package_is_whole_again_when_it_is_published_again(
    admin, server, job, robot, tmp_path
):
    [name] = await kept(server)
    await overwrite(server, name, b"x", tmp_path)
    assert (await robot.ask("GET", "/api/packages/1/download")).status == 404
    await admin.upload(content=CONTENT, status=200)
    assert (await robot.ask("GET", "/api/packages/1/download")).body == CONTENT


async def test_a_log_goes_there_when_its_job_is_over_and_comes_back_for_a_late_line(
    admin, server, robot, job, monkeypatch
):
    say = "/api/runner/jobs/1/logs?attempt=1&offset="
    plain = {"Content-Type": "application/octet-stream"}
    await robot.ask("POST", f"{say}0", status=200, data=b"first\n", headers=plain)
    monkeypatch.setattr(old_things, "QUIET_SECONDS", -1.0)
    await cleaner(server).run_once()
    assert await kept(server, "logs/") == []  # the job is running
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    await cleaner(server).run_once()
    assert await kept(server, "logs/") == ["logs/0/1.1.log"]
    assert files_here(server) == []
    assert await admin.get("/api/jobs/1/logs") == b"first\n"
    assert await admin.get("/api/jobs/1/logs?offset=2") == b"rst\n"
    assert await admin.get("/api/jobs/1/logs?offset=99") == b""
    answer = await robot.ask("POST", f"{say}6", status=200, data=b"late\n", headers=plain)
    assert answer["next_offset"] == 11
    assert files_here(server) == ["1.1.log"]
    assert await admin.get("/api/jobs/1/logs") == b"first\nlate\n"
    await cleaner(server).run_once()
    assert files_here(server) == []
    assert await admin.get("/api/jobs/1/logs") == b"first\nlate\n"


async def test_a_line_that_comes_while_a_log_is_on_its_way_is_not_lost(
    admin, server, robot, job, monkeypatch
):
    logs = server[LOGS]
    await logs.append(1, 1, 0, b"first\n")
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    put = server[OBJECTS].put

    async def put_and_hear(name, file, *, replace=False):
        await put(name, file, replace=replace)
        await logs.append(1, 1, 6, b"late\n")

    monkeypatch.setattr(server[OBJECTS], "put", put_and_hear)
    monkeypatch.setattr(old_things, "QUIET_SECONDS", -1.0)
    await cleaner(server).run_once()
    monkeypatch.setattr(server[OBJECTS], "put", put)
    assert files_here(server) == ["1.1.log"]
    assert await logs.read(1, 1, 0) == b"first\nlate\n"
    await cleaner(server).run_once()
    assert files_here(server) == []
    assert await logs.read(1, 1, 0) == b"first\nlate\n"


async def test_a_forgotten_job_takes_all_with_it_also_when_the_bucket_was_away(
    admin, server, robot, job, clock, monkeypatch
):
    await leave(job)
    await server[LOGS].append(1, 1, 0, b"first\n")
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    monkeypatch.setattr(old_things, "QUIET_SECONDS", -1.0)
    await cleaner(server).run_once()
    assert len(await kept(server)) == 3  # and the package
    await admin.ask("PUT", "/api/settings/jobs", status=200, json={"retention_days": 1})
    await server[SETTINGS].refresh(server[DATABASE])
    clock.now += timedelta(days=3)
    remove = server[OBJECTS].remove

    async def away(names):
        raise Unavailable("away")

    monkeypatch.setattr(server[OBJECTS], "remove", away)
    with pytest.raises(Unavailable):
        await cleaner(server).run_once()
    monkeypatch.setattr(server[OBJECTS], "remove", remove)
    await cleaner(server).run_once()
    [left] = await kept(server)
    assert left.startswith("packages/")
    admin = await admin.sign_in()
    assert (await admin.ask("GET", "/api/jobs/1")).status == 404


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_start_removes_nothing_for_another_copy_may_need_it(
    admin, server, config, clock, tmp_path
):
    await admin.upload()
    await overwrite(server, "packages/unknown_1.0.0_x.zip", b"x", tmp_path)
    async with serving(create_app(config, clock)):
        assert len(await kept(server)) == 2


@pytest.fixture
def away(server, monkeypatch):
    """The bucket does not answer."""

    async def fail(*_, **__):
        raise Unavailable("away")

    def away(*verbs):
        for verb in verbs or ("put", "size_bytes", "remove"):
            monkeypatch.setattr(server[OBJECTS], verb, fail)

    return away


async def test_jobs_run_and_log_while_the_bucket_is_away(admin, server, robot, job, away):
    away()
    say = "/api/runner/jobs/1/logs?attempt=1&offset=0"
    plain = {"Content-Type": "application/octet-stream"}
    await robot.ask("POST", say, status=200, data=b"first\n", headers=plain)
    assert await admin.get("/api/jobs/1/logs") == b"first\n"
    said = {"status": "completed", "attempt": 1, "logs": "first\nsecond\n"}
    await robot.post("/api/runner/jobs/1/update", 200, **said)
    assert await admin.get("/api/jobs/1/logs") == b"first\nsecond\n"
    await robot.post("/api/runner/jobs/1/update", 200, **said)  # again, as robots do


async def test_what_is_done_is_done_though_the_bucket_keeps_the_old_file(admin, server, job, away):
    await leave(job, content=b"one")
    away("remove")
    await leave(job, content=b"two")
    [listed] = await admin.get("/api/jobs/1/artifacts")
    assert listed["size_bytes"] == 3
    await admin.post("/api/jobs/1/cancel", 200)
    await admin.ask("DELETE", "/api/processes/1", status=204)
    await admin.ask("DELETE", "/api/packages/1", status=204)


async def test_who_follows_a_log_is_told_nothing_wrong_when_the_bucket_is_away(
    admin, server, robot, job, away
):
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    away()
    answer = await admin.ask("GET", "/api/jobs/1/logs/stream", status=None)
    assert answer.status == 200
    assert b"HTTP/1.1" not in answer.body


async def test_a_longer_log_in_the_bucket_is_never_replaced(
    admin, server, robot, job, tmp_path, monkeypatch
):
    await server[LOGS].append(1, 1, 0, b"first\n")
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    await overwrite(server, "logs/0/1.1.log", b"first\nsecond\n", tmp_path)
    monkeypatch.setattr(old_things, "QUIET_SECONDS", -1.0)
    await cleaner(server).run_once()
    assert files_here(server) == ["1.1.log"]
    pieces = server[OBJECTS].read("logs/0/1.1.log", 0, 100)
    assert [piece async for piece in pieces] == [b"first\nsecond\n"]


async def test_two_servers_do_not_archive_at_once(server, job, robot, monkeypatch):
    await server[LOGS].append(1, 1, 0, b"first\n")
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    monkeypatch.setattr(old_things, "QUIET_SECONDS", -1.0)
    with server[LOGS].archiving() as is_ours:
        assert is_ours
        await cleaner(server).run_once()
        assert files_here(server) == ["1.1.log"]
    await cleaner(server).run_once()
    assert files_here(server) == []


async def test_a_stray_file_among_the_logs_stays_and_hinders_nobody(
    server, job, robot, monkeypatch
):
    await server[LOGS].append(1, 1, 0, b"first\n")
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    for name in ("debug.log", "1 (copy).1.log", "07.1.log"):
        (server[DATA_FOLDER] / "logs" / "0" / name).write_text("x")
    monkeypatch.setattr(old_things, "QUIET_SECONDS", -1.0)
    await cleaner(server).run_once()
    assert len(files_here(server)) == 3


async def test_keys_that_are_rotated_twice_still_open_the_bucket(server, config, clock):
    for _ in range(2):
        keys.with_new_sealing(config.key_file, set())
    owned = keys.KeyFile(config.key_file, server[KEYS]).current()
    assert await open_store(config, owned)


async def test_a_bucket_of_another_installation_is_refused(server, config, tmp_path, clock):
    other = msgspec.structs.replace(config, data=tmp_path / "other", database_url=None)
    with pytest.raises(WrongStore, match="belongs to another installation"):
        async with serving(create_app(other, clock)):
            pass
