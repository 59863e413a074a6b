"""Packages, artifacts and logs from the folder to a bucket and back."""

import shutil
from unittest.mock import AsyncMock

import aiohttp
import pytest

from orchestrator_server import keys
from orchestrator_server.app import create_app
from orchestrator_server.config import Config
from orchestrator_server.http.keys import DATABASE, OBJECTS
from orchestrator_server.objects import incoming
from orchestrator_server.objects import open as open_store
from orchestrator_server.objects.bucket import BucketStore
from orchestrator_server.objects.folder import FolderStore
from orchestrator_server.objects.moving import Move
from orchestrator_server.objects.store import WrongStore
from tests.conftest import serving
from tests.program.test_backup import orchestrator
from tests.server.test_artifacts import claimed, leave
from tests.support.processes import ServerProcess, failing_at
from tests.support.world import ADMIN_PASSWORD, api_at, archive

CONTENT = archive(main="print(1)")
FOLDERS = ("packages", "artifacts", "logs")


@pytest.fixture
def config(tmp_path):
    return Config(data=tmp_path / "data", admin_password=ADMIN_PASSWORD)


@pytest.fixture
def bucket(s3_server, s3_environment):
    return f"s3://{s3_server.bucket()}/mill"


async def fill(config):
    async with serving(create_app(config)) as server, api_at(server["url"]) as api:
        admin = await api.sign_in()
        process = await admin.make_process(content=CONTENT)
        robot = await admin.make_robot()
        for number in range(1, 21):
            job = await admin.make_job(process)
            at_work = await claimed(robot)
            await leave(at_work, content=b"%d" % number)
            said = {"status": "completed", "logs": f"log of {number}"}
            await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, **said)
        return robot.headers


async def must_be_there(url, robot_headers):
    async with api_at(url) as api:
        admin, robot = await api.sign_in(), api.as_(**robot_headers)
        for number in range(1, 21):
            path = f"/api/jobs/{number}"
            assert await admin.get(f"{path}/logs") == b"log of %d" % number
            assert await admin.get(f"{path}/artifacts/{number}") == b"%d" % number
        assert await admin.get("/api/packages")
        await admin.make_job((await admin.get("/api/processes"))[0])
        await robot.post("/api/runner/next-job", 200)
        assert (await robot.ask("GET", "/api/packages/1/download")).body == CONTENT


async def test_everything_goes_to_a_bucket_and_comes_back(config, bucket, tmp_path):
    robot = await fill(config)
    moved = await orchestrator(config, "store", "move", "--to", bucket)
    assert moved.exit_code == 0, moved.output
    assert "41 files are in the new store, each compared" in moved.output
    for folder in FOLDERS:
        shutil.rmtree(config.data / folder)
    server = ServerProcess(config.data)
    try:
        await server.start(RUNWRIGHT_STORE=bucket)
        await must_be_there(server.url, robot)
    finally:
        await server.kill()
    assert (await orchestrator(config, "doctor")).exit_code == 1  # the folder is empty
    assert (await orchestrator(config, "doctor", "--store", bucket)).exit_code == 0
    backup = await orchestrator(config, "backup", tmp_path / "backup", "--store", bucket)
    assert f"What is in {bucket} is not in it" in backup.output
    assert not (config.data / "packages").exists()
    back = await orchestrator(config, "store", "move", "--from", bucket, "--to", "folder")
    assert back.exit_code == 0, back.output
    async with serving(create_app(config)) as server:
        await must_be_there(server["url"], robot)


async def test_what_was_interrupted_goes_on_and_sends_nothing_twice(config, bucket, monkeypatch):
    await fill(config)
    async with serving(create_app(config)) as server:
        source, target = server[OBJECTS], BucketStore(bucket)
        put, puts = target.put, []

        async def put_some(name, file, *, replace=False):
            if len(puts) == 10:
                raise ConnectionError("cut off")
            puts.append(name)
            await put(name, file, replace=replace)

        monkeypatch.setattr(target, "put", put_some)
        move = Move(server[DATABASE], source, target, config.data)
        with pytest.raises(ConnectionError):
            await move.run(lambda *_: None)
        first, puts[:] = set(puts), [f"not {number}" for number in range(11)]
        move = Move(server[DATABASE], source, target, config.data)
        await move.run(lambda *_: None)
        assert (move.files, move.missing) == (41, [])
        assert len(puts) - 11 == 41 - len(first)
        assert not first & set(puts)
    assert list((config.data / "incoming").iterdir()) == []


async def test_a_file_that_is_missing_or_damaged_is_named(config, bucket):
    await fill(config)
    [package] = (config.data / "packages").iterdir()
    package.write_bytes(b"x" * package.stat().st_size)
    [artifact] = (config.data / "artifacts" / "7").iterdir()
    artifact.unlink()
    moved = await orchestrator(config, "store", "move", "--to", bucket)
    assert moved.exit_code == 78
    assert "2 files are missing from the old store, or not as the database says" in moved.output
    assert package.name in moved.output and artifact.name in moved.output
    assert "The other 39 are in the new one" in moved.output


async def test_a_log_that_came_back_for_a_late_line_is_not_replaced_by_the_shorter_one(
    config, bucket
):
    await fill(config)
    assert (await orchestrator(config, "store", "move", "--to", bucket)).exit_code == 0
    log = config.data / "logs" / "0" / "7.1.log"
    log.write_bytes(log.read_bytes() + b" and more")
    back = await orchestrator(config, "store", "move", "--from", bucket, "--to", "folder")
    assert back.exit_code == 0, back.output
    assert log.read_bytes() == b"log of 7 and more"


async def test_a_server_that_starts_meanwhile_takes_nothing_away(config, bucket, monkeypatch):
    await fill(config)
    put = BucketStore.put

    async def put_and_sweep(self, name, file, *, replace=False):
        incoming.sweep(config.data, older_than_seconds=-60)
        await put(self, name, file, replace=replace)

    monkeypatch.setattr(BucketStore, "put", put_and_sweep)
    monkeypatch.setattr(open_store, "_sign", sign := AsyncMock())
    monkeypatch.setattr(open_store, "_owner", lambda store: mark(config))
    moved = await orchestrator(config, "store", "move", "--to", bucket)
    assert moved.exit_code == 0, moved.output
    assert sign.called


async def mark(config):
    return keys.load(config.key_file, check=None).mark_of_installation()


async def test_a_store_that_gives_back_other_bytes_is_not_believed(config, tmp_path):
    await fill(config)

    class Forgetful(FolderStore):
        async def put(self, name, file, *, replace=False):
            file.write_bytes(b"x" * file.stat().st_size)
            await super().put(name, file, replace=replace)

    async with serving(create_app(config)) as server:
        move = Move(server[DATABASE], server[OBJECTS], Forgetful(tmp_path / "f"), config.data)
        with pytest.raises(WrongStore, match="came back from the new store other than it was sent"):
            await move.run(lambda *_: None)


async def test_a_move_to_nowhere_is_refused_with_a_sentence(config, bucket, s3_server):
    nothing = await orchestrator(config, "store", "move", "--to", bucket)
    assert nothing.exit_code == 78
    await fill(config)
    there = "s3://no-such-bucket/mill"
    for to, status, sentence in (
        (["--to", "folder"], 78, "--from and --to are the same"),
        (["--to", "ftp://x"], 78, "is no object store"),
        (["--to", there], 75, f"There is no bucket at {there}"),
        (["--to", "folder", "--from", bucket], 78, f"Nothing of Runwright is at {bucket}"),
    ):
        refused = await orchestrator(config, "store", "move", *to)
        assert refused.exit_code == status, refused.output
        assert sentence in refused.output


async def test_a_server_killed_while_it_receives_leaves_nothing_here(config, bucket):
    await fill(config)
    server = ServerProcess(config.data)
    environment = {"RUNWRIGHT_STORE": bucket}
    try:
        await server.start(**environment, **failing_at("upload.after_rename=kill"))
        async with api_at(server.url) as api:
            admin = await api.sign_in()
            with pytest.raises(aiohttp.ClientError):
                await admin.upload("lost", "1.0.0", CONTENT)
        await server.killed_itself()
        store = BucketStore(bucket)
        assert len([f async for f in store.list("packages/")]) == 1
        await server.start(**environment)
        assert list((config.data / "incoming").iterdir()) == []
    finally:
        await server.kill()
