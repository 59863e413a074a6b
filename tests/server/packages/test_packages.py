"""Packages over HTTP: published once and for all, fetched by the robot that runs them."""

import asyncio
import hashlib
import io
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from orchestrator_server.errors import Unavailable
from orchestrator_server.http.keys import DATABASE, OBJECTS
from orchestrator_server.objects import incoming
from orchestrator_server.packages import editing, service, storage
from tests.support.world import archive


def files(config):
    folders = (config.data / "packages", config.data / incoming.FOLDER)
    return sorted(path.name for folder in folders for path in folder.glob("*"))


async def test_a_package_is_published_with_its_digest_and_scripts(admin, config):
    content = archive(main="print(1)", lib="")
    package = await admin.upload("hello", "1.2.3", content)
    assert (package["name"], package["version"], package["size_bytes"]) == (
        "hello", "1.2.3", len(content),
    )  # fmt: skip
    assert package["sha256"] == hashlib.sha256(content).hexdigest()
    assert [script["path"] for script in package["scripts_manifest"]] == ["lib.py", "main.py"]
    assert "file_path" not in package
    assert len(files(config)) == 1


async def test_a_version_never_changes(admin, config):
    first = await admin.upload(content=archive(main="1"))
    assert await admin.upload(content=archive(main="1"), status=200) == first
    problem = await admin.upload(content=archive(main="2"), status=409)
    assert problem["type"] == "/problems/version-exists"
    assert len(files(config)) == 1


async def test_two_uploads_of_one_version_at_once_leave_one_package_and_one_file(admin, config):
    contents = [archive(main=str(number)) for number in range(4)]
    statuses = [
        answer.status
        for answer in await asyncio.gather(
            *(admin.upload(content=content, status=None) for content in contents)
        )
    ]
    assert sorted(statuses) == [201, 409, 409, 409]
    assert len(files(config)) == 1


@pytest.mark.parametrize("content", [b"not a zip", archive(**{"../x": ""}), archive()[:-4]])
async def test_a_refused_upload_leaves_nothing(admin, config, content):
    before = (await admin.get("/api/audit"))["total"]
    await admin.upload(content=content, status=422)
    assert files(config) == []
    assert await admin.get("/api/packages") == []
    assert (await admin.get("/api/audit"))["total"] == before


def a_form(**fields):
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    return form


async def test_name_and_version_must_agree_with_the_file(admin):
    form = a_form(name="other")
    form.add_field("file", archive(), filename="hello_1.0.0.zip")
    answer = await admin.ask("POST", "/api/packages/upload", data=form)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "#/name")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data"}, b"x"),
        ({"Content-Type": "multipart/form-data; boundary=a"}, b"--b\r\n\r\nx\r\n--b--"),
        ({"Content-Type": "multipart/form-data; boundary=a"}, b"--a\r\nContent-Disposition: fo"),
        ({"Content-Type": "multipart/form-data; boundary=a"},
         b'--a\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--a--\r\n'),
        ({"Content-Type": "application/json"}, b'{"file": {"path": "/etc/passwd"}}'),
    ],
)  # fmt: skip
async def test_a_form_that_cannot_be_read_is_refused(admin, config, headers, body):
    answer = await admin.ask("POST", "/api/packages/upload", data=io.BytesIO(body), headers=headers)
    assert answer.status in (400, 415)
    assert files(config) == []


async def test_an_upload_that_is_too_large_is_refused_before_it_is_read(admin):
    headers = {"Content-Type": "multipart/form-data; boundary=a"}

    async def endless():
        yield b"x"

    async with admin.session.post(
        admin.url + "/api/packages/upload",
        data=endless(),
        headers={**admin.headers, **headers, "Content-Length": str(200 * 1024 * 1024)},
    ) as response:
        assert response.status == 413


@pytest.fixture
async def running(admin):
    content = archive(main="print('x')" * 100)
    process = await admin.make_process("hello", content)
    await admin.make_job(process)
    robot = await admin.make_robot()
    await robot.post("/api/runner/next-job", 200)
    return robot, f"/api/packages/{process['package_id']}/download", content


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [(None, 200, 0, None), ("bytes=0-9", 206, 0, 10), ("bytes=10-", 206, 10, None),
     ("bytes=-5", 206, -5, None), ("bytes=5-99999", 206, 5, None), ("bytes=1-2,5-6", 200, 0, None),
     ("bytes=\u0661-", 200, 0, None), ("lines=1-2", 200, 0, None)],
)  # fmt: skip
async def test_the_archive_comes_whole_or_in_one_part(running, asked, status, start, stop):
    robot, path, content = running
    headers = {"Range": asked} if asked else {}
    answer = await robot.ask("GET", path, headers=headers)
    assert (answer.status, answer.body) == (status, content[start:stop])
    assert answer.headers["ETag"] == f'"{hashlib.sha256(content).hexdigest()}"'


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=-0", "bytes=5-2"])
async def test_a_part_that_is_not_there_is_not_satisfiable(running, asked):
    robot, path, content = running
    answer = await robot.ask("GET", path, headers={"Range": asked})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(content)}")


@pytest.mark.parametrize("script", ["other.py", "../main.py", "/main.py", "MAIN.py", "-c", "main"])
async def test_a_process_runs_a_script_that_is_in_its_package(admin, script):
    package = await admin.upload()
    wanted = {"name": "p", "package_id": package["id"], "script_path": script}
    answer = await admin.post("/api/processes", **wanted)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "#/script_path")


async def put(admin, package, status=200, **changes):
    path = f"/api/packages/{package['id']}"
    return await admin.ask("PUT", path, status=status, json=changes)


async def test_a_package_nobody_needs_is_deleted_with_its_file(admin, config):
    process = await admin.make_process()
    package = await admin.get(f"/api/packages/{process['package_id']}")
    path = f"/api/packages/{package['id']}"
    assert (await admin.ask("DELETE", path)).status == 409
    job = await admin.make_job(process)
    newer = await admin.upload("hello", "2.0.0", archive(main="2"))
    await admin.post(f"/api/processes/{process['id']}/upgrade", 200)
    assert "needed by job" in (await admin.ask("DELETE", path, status=409))["detail"]
    await admin.post(f"/api/jobs/{job['id']}/cancel", 200)
    await admin.ask("DELETE", path, status=204)
    assert [p["id"] for p in await admin.get("/api/packages")] == [newer["id"]]
    assert len(files(config)) == 1
    assert (await admin.get(f"/api/jobs/{job['id']}"))["package_version"] == "1.0.0"
    again = await admin.upload("hello", "1.0.0", archive(main="other content"))
    assert again["id"] > newer["id"]


async def test_a_package_is_renamed_only_while_nothing_refers_to_it(admin):
    package = await admin.upload("hello", "1.0.0")
    await admin.upload("other", "1.0.0")
    assert (await put(admin, package, is_active=False))["is_active"] is False
    assert (await put(admin, package, name="renamed", version="3.0.0"))["name"] == "renamed"
    await put(admin, package, 409, name="Other", version="1.0.0")
    await put(admin, package, 422, version="three")
    await put(admin, package, 422, file_path="/etc/passwd")
    await put(admin, package, name="hello", version="1.0.0")
    await admin.post(
        "/api/processes", 201, name="p", package_id=package["id"], script_path="main.py"
    )
    await put(admin, package, 409, version="2.0.0")
    assert [p["name"] for p in await admin.get("/api/packages?active_only=true")] == ["other"]


async def test_a_package_that_is_proposed_keeps_its_name_and_stays(admin):
    process = await admin.make_process()
    newer = await admin.upload("hello", "2.0.0", archive(main="other content"))
    path = f"/api/processes/{process['id']}/proposal"
    await admin.ask("PUT", path, status=200, json={"package_id": newer["id"]})
    refused = await put(admin, newer, 409, version="9.9.9")
    assert "a proposed change of process" in refused["detail"]
    await admin.ask("DELETE", f"/api/packages/{newer['id']}", status=409)
    await admin.ask("DELETE", path, status=204)
    await put(admin, newer, version="9.9.9")
    await admin.ask("DELETE", f"/api/packages/{newer['id']}", status=204)


async def test_what_could_be_published_is_told_before_it_is_sent(admin):
    package = await admin.upload("hello", "1.0.0")
    ask = {"name": "hello", "version": "1.0.0"}
    known = await admin.post("/api/packages/preflight", 200, **ask)
    assert known["can_publish"] is False
    assert "raise the version" in known["reason"]
    same = await admin.post("/api/packages/preflight", 200, **ask, sha256=package["sha256"])
    assert same == {"can_publish": True, "reason": None}
    new = await admin.post("/api/packages/preflight", 200, name="hello", version="1.0.1")
    assert new["can_publish"]
    await admin.post("/api/packages/preflight", 422, name="../x", version="1.0.0")


async def test_a_start_removes_files_without_a_row(admin, server, config):
    await admin.upload()
    [kept] = files(config)
    (config.data / "packages" / "lost_1.0.0_x.zip").write_bytes(b"x")
    needed = await server[DATABASE].read(editing.stored_files)
    names = {file.file_path for file in needed}
    now = datetime.now(UTC)
    await storage.sweep(server[OBJECTS], names, before=now - timedelta(hours=1))
    assert len(files(config)) == 2  # another server may be receiving it
    there = await storage.sweep(server[OBJECTS], names, before=now + timedelta(seconds=1))
    assert files(config) == [kept]
    assert editing.missing_files(needed, there) == []
    assert editing.missing_files(needed, set()) == ["hello 1.0.0"]


async def test_a_package_that_was_renamed_keeps_its_file(admin, server, config):
    first, other = archive(main="first"), archive(main="other")
    renamed = await admin.upload("hello", "1.0.0", first)
    await put(admin, renamed, 200, version="2.0.0")
    await admin.upload("hello", "1.0.0", other)
    await admin.upload("hello", "1.0.0", first, 409)
    again = await admin.upload("hello", "3.0.0", first)
    await admin.ask("DELETE", f"/api/packages/{again['id']}", status=204)
    needed = await server[DATABASE].read(editing.stored_files)
    assert {file.file_path for file in needed} == set(files(config))
    contents = [(config.data / "packages" / file.file_path).read_bytes() for file in needed]
    assert contents == [first, other]


async def test_a_file_whose_fate_is_not_known_stays(admin, server, config, monkeypatch):
    def lost(*_, **__):
        raise Unavailable("The connection was lost, perhaps after the commit.")

    monkeypatch.setattr(service, "publish", lost)
    await admin.upload(status=503)
    assert len(files(config)) == 1


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "multipart/form-data"}])
async def test_an_upload_without_a_form_is_refused(admin, headers):
    answer = await admin.ask("POST", "/api/packages/upload", headers=headers)
    assert answer.status in (400, 415)


async def test_the_same_key_publishes_once(admin, config):
    async def publish(content, version="1.0.0"):
        form = aiohttp.FormData()
        form.add_field("file", content, filename=f"hello_{version}.zip")
        headers = {"Idempotency-Key": "release-1"}
        return await admin.ask("POST", "/api/packages/upload", data=form, headers=headers)

    content = archive(main="1")
    first, again = await publish(content), await publish(content)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    other = await publish(archive(main="2"), "2.0.0")
    assert (other.status, other.kind) == (422, "idempotency-key-reused")
    assert len(files(config)) == 1


@pytest.mark.parametrize(
    "part",
    [b"Content-Disposition: form-data; name=\"\x1a\x00\"", b"no colon", b": x",
     b"a" * 10_000 + b": b",
     b"Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%ff",
     b"Content-Disposition: form-data; name=file\r\nContent-Transfer-Encoding: rot13"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")  # aiohttp warns of some of them
async def test_a_part_that_cannot_be_read_is_refused(admin, part):
    body = b"--x\r\n" + part + b"\r\n\r\nabc\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await admin.ask("POST", "/api/packages/upload", data=body, headers=headers)
    assert answer.status in (400, 422), answer.body
