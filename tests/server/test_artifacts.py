"""Files that jobs leave: whose they are, how large, how they come back, when they go."""

import errno
from datetime import timedelta

import aiohttp
import pytest

from orchestrator_server.artifacts import service
from orchestrator_server.artifacts.service import MAX_BYTES
from orchestrator_server.http.keys import DATA_FOLDER, DATABASE, KEYS, LOGS, OBJECTS, SETTINGS
from orchestrator_server.maintenance.old_things import OldThings
from orchestrator_server.objects import incoming

BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
async def robot(admin):
    return await admin.make_robot()


@pytest.fixture
async def job(admin, robot):
    """A running job's own view of the server."""
    await admin.make_job(await admin.make_process())
    return await claimed(robot)


async def claimed(robot):
    job = (await robot.post("/api/runner/next-job", 200))["job"]
    return robot.as_(Authorization=f"Bearer {job['job_token']}")


async def leave(job, name="report.html", content=b"<h1>7</h1>", status=200, headers=BINARY):
    path = f"/api/runtime/artifacts/{name}"
    return await job.ask("PUT", path, status=status, data=content, headers=headers)


def files_in(server):
    data = server[DATA_FOLDER]
    folders = (data / "artifacts", data / incoming.FOLDER)
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


async def test_a_file_comes_back_as_it_was_left_and_never_as_a_page(admin, job):
    left = await leave(job)
    assert await admin.get("/api/jobs/1/artifacts") == [left]
    answer = await admin.ask("GET", f"/api/jobs/1/artifacts/{left['id']}")
    assert (answer.status, answer.body) == (200, b"<h1>7</h1>")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''report.html"
    part = await admin.ask(
        "GET", f"/api/jobs/1/artifacts/{left['id']}", headers={"Range": "bytes=4-4"}
    )
    assert (part.status, part.body) == (206, b"7")


async def test_the_last_one_of_a_name_counts_and_the_one_before_is_gone(admin, job, server):
    await leave(job, content=b"one")
    await leave(job, "REPORT.html", b"two")
    [listed] = await admin.get("/api/jobs/1/artifacts")
    assert listed["size_bytes"] == 3
    assert [path.read_bytes() for path in files_in(server)] == [b"two"]


@pytest.mark.parametrize(
    ("name", "status"),
    [("..", 404), ("%2e%2e%2fx", 422), ("a%5Cb", 422), ("con", 422), ("%00", 404), ("a%0ab", 404),
     ("%E2%80%AEx", 404), ("x" * 300, 404), (".hidden", 422)],
)  # fmt: skip
async def test_a_name_that_could_lead_astray_is_refused(job, server, name, status):
    assert (await leave(job, name, status=None)).status == status
    assert files_in(server) == []


async def test_what_is_too_large_or_no_file_is_refused(job, server, monkeypatch):
    answer = await leave(job, headers={"Content-Type": "application/json"}, status=None)
    assert answer.status == 415
    headers = {**BINARY, "Content-Length": str(MAX_BYTES + 1)}
    assert (await leave(job, headers=headers, status=None)).status == 413

    async def pieces():
        for _ in range(9):
            yield b"x" * 100_000

    monkeypatch.setattr("orchestrator_server.artifacts.routes.MAX_BYTES", 200_000)
    assert (await leave(job, content=pieces(), status=None)).status == 413
    assert files_in(server) == []


async def test_a_file_that_cannot_be_read_to_its_end_is_never_taken_for_whole(
    admin, job, server, monkeypatch
):
    left = await leave(job, content=bytes(600_000))
    read = server[OBJECTS].read

    async def read_half(name, start, stop):
        async for piece in read(name, start, stop // 2):
            yield piece
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(server[OBJECTS], "read", read_half)
    with pytest.raises(aiohttp.ClientPayloadError):
        await admin.ask("GET", f"/api/jobs/1/artifacts/{left['id']}")


async def test_an_attempt_leaves_only_so_many(job, monkeypatch):
    monkeypatch.setattr(service, "MOST", 2)
    await leave(job, "a")
    await leave(job, "b")
    assert (await leave(job, "c", status=None)).status == 409
    await leave(job, "a", b"again")


async def test_a_job_that_ended_leaves_nothing_more(admin, job, robot, server):
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    assert (await leave(job, status=None)).status == 401
    assert files_in(server) == []


async def test_an_artifact_is_found_under_its_own_job_alone(admin, job):
    left = await leave(job)
    other = await admin.make_job(await admin.make_process("other"))
    for path in (f"/api/jobs/{other['id']}/artifacts/{left['id']}", "/api/jobs/1/artifacts/99"):
        assert (await admin.ask("GET", path)).status == 404
    assert (await admin.ask("GET", "/api/jobs/99/artifacts")).status == 404


async def test_a_start_removes_what_was_arriving_when_the_server_was_killed(job, server):
    await leave(job)
    [kept] = files_in(server)
    data = server[DATA_FOLDER]
    incoming.new_path(data).write_bytes(b"half")
    incoming.sweep(data, older_than_seconds=3600)
    assert len(files_in(server)) == 2  # another server may be receiving it
    incoming.sweep(data, older_than_seconds=0)
    assert files_in(server) == [kept]


async def test_a_forgotten_job_takes_its_files_with_it(admin, job, robot, server, clock):
    await leave(job)
    await robot.post("/api/runner/jobs/1/update", 200, status="completed", attempt=1)
    await admin.ask("PUT", "/api/settings/jobs", status=200, json={"retention_days": 1})
    await server[SETTINGS].refresh(server[DATABASE])
    clock.now += timedelta(days=3)
    old_things = OldThings(
        server[DATABASE], server[SETTINGS], server[LOGS], server[KEYS], server[OBJECTS]
    )
    await old_things.run_once()
    assert files_in(server) == []


async def bring(robot, job_id=1, attempt=1, name="a.txt", content=b"late", status=200):
    path = f"/api/runner/jobs/{job_id}/artifacts/{name}?attempt={attempt}"
    return await robot.ask("PUT", path, status=status, data=content, headers=BINARY)


async def test_a_robot_brings_what_is_left_within_a_day_after_the_end(admin, robot, job, clock):
    other = await admin.make_robot("other")
    await bring(other, status=403)
    await bring(robot, attempt=2, status=404)
    await robot.post("/api/runner/jobs/1/update", 200, status="completed")
    first = await bring(robot)
    assert await bring(robot) == first  # what is repeated changes nothing
    assert await admin.get("/api/jobs/1/artifacts") == [first]
    events = (await admin.get("/api/audit?action=artifact.created"))["items"]
    assert [event["actor_type"] for event in events] == ["robot"]
    clock.advance(hours=25)
    await bring(robot, name="b.txt", status=409)


async def test_the_same_file_again_leaves_no_second_one_on_the_disk(robot, job, server):
    await bring(robot)
    await bring(robot)
    assert [path.read_bytes() for path in files_in(server)] == [b"late"]
