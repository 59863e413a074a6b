"""Backups of a server at work, and a doctor who finds what must not be."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from orchestrator_server.__main__ import main
from orchestrator_server.app import create_app
from orchestrator_server.config import Config
from orchestrator_server.db.queries import Query
from orchestrator_server.http.keys import DATABASE
from tests.conftest import serving
from tests.support.world import api_at


async def orchestrator(config, *args):
    url = ["--database-url", config.database_url] if config.database_url else []
    args = [*map(str, args), "--data", str(config.data), *url]
    return await asyncio.to_thread(CliRunner().invoke, main, args)


async def some_work(admin):
    job = await admin.make_job(await admin.make_process())
    robot = await admin.make_robot()
    await robot.post("/api/runner/next-job", 200)
    said = {"status": "completed", "result": {"sum": 7}, "logs": "done"}
    await robot.post(f"/api/runner/jobs/{job['id']}/update", 200, **said)
    return job


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_backup_made_while_the_server_works_brings_everything_back(
    admin, config, clock, tmp_path
):
    job = await some_work(admin)
    process = (await admin.get("/api/processes"))[0]

    async def go_on():
        for _ in range(30):
            await admin.make_job(process)

    working = asyncio.create_task(go_on())
    folder = tmp_path / "backup"
    made = await orchestrator(config, "backup", folder)
    await working
    assert made.exit_code == 0, made.output
    assert "keys.json" in made.output
    assert not list(folder.rglob("keys.json"))
    assert (await orchestrator(config, "backup", folder)).exit_code == 78

    restored = Config(data=tmp_path / "restored", admin_password=config.admin_password)
    answer = await orchestrator(restored, "restore", folder)
    assert answer.exit_code == 0, answer.output
    (restored.data / "keys.json").write_bytes(config.key_file.read_bytes())
    (restored.data / "keys.json").chmod(0o600)
    assert (await orchestrator(restored, "doctor")).exit_code == 0
    async with serving(create_app(restored, clock)) as server, api_at(server["url"]) as api:
        there = await api.sign_in()
        assert (await there.get(f"/api/jobs/{job['id']}"))["result"] == {"sum": 7}
        assert await there.get(f"/api/jobs/{job['id']}/logs") == b"done"
    assert (await orchestrator(restored, "restore", folder)).exit_code == 78


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("harm", ["changed", "missing", "list", "climbing"])
async def test_a_backup_that_is_not_whole_is_not_restored(admin, config, tmp_path, harm):
    await some_work(admin)
    folder = tmp_path / "backup"
    await orchestrator(config, "backup", folder)
    if harm == "changed":
        with (folder / "runwright.db").open("r+b") as file:
            file.seek(5000)
            file.write(b"!")
    elif harm == "missing":
        next((folder / "packages").iterdir()).unlink()
    elif harm == "list":
        (folder / "backup.json").unlink()
    else:
        told = json.loads((folder / "backup.json").read_text())
        told["digests"]["../data/keys.json"] = "0" * 64
        (folder / "backup.json").write_text(json.dumps(told))
    empty = Config(data=tmp_path / "empty")
    assert (await orchestrator(empty, "restore", folder)).exit_code == 78
    assert not empty.data.exists()


async def test_the_doctor_finds_nothing_where_all_is_well_and_changes_nothing(admin, config):
    await some_work(admin)
    before = await admin.get("/api/audit")
    answer = await orchestrator(config, "doctor")
    assert answer.exit_code == 0, answer.output
    assert "ok  Every package has its file" in answer.output
    assert await admin.get("/api/audit") == before


async def test_the_doctor_advises_on_a_proxy_of_the_same_machine(admin, config, monkeypatch):
    tip = "A proxy on the server's machine needs `orchestrator serve --trusted-proxy"
    answer = await orchestrator(config, "doctor")
    assert answer.exit_code == 0
    assert tip in answer.output
    with monkeypatch.context() as environment:
        environment.setenv("RUNWRIGHT_TRUSTED_PROXY", "127.0.0.1")
        assert tip not in (await orchestrator(config, "doctor")).output
    url = {"public_url": "https://robots.example.com"}
    await admin.ask("PUT", "/api/settings/general", status=200, json=url)
    assert tip not in (await orchestrator(config, "doctor")).output


HARM = {
    "What ended says how": "UPDATE jobs SET status = 'failed', reason = NULL WHERE id = 1",
    "The recorded result is the attempt's": "UPDATE attempts SET status = 'failed'",
    "Every change of a job is in the audit trail":
        "DELETE FROM audit_events WHERE action = 'job.completed'",
    "No attempt is beyond the last": "UPDATE jobs SET attempt = 0",
}  # fmt: skip


@pytest.mark.parametrize("promise", HARM)
async def test_the_doctor_finds_each_kind_of_harm(admin, server, config, promise):
    await some_work(admin)
    await server[DATABASE].write(lambda tx: tx.run(Query("harm", HARM[promise])))
    answer = await orchestrator(config, "doctor")
    assert answer.exit_code == 1
    assert f"no  {promise}" in answer.output


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_backup_of_postgresql_is_made_with_its_own_tool(
    admin, config, tmp_path, monkeypatch
):
    """With a stand-in for `pg_dump`, which not every machine has: what is it told, and how?"""
    tool = tmp_path / "bin" / "pg_dump"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\n"
        'for a in "$@"; do case $a in --file=*) echo "$@" > "${a#--file=}";; esac; done\n'
        f'cp "$PGSERVICEFILE" {tmp_path}/service\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    await some_work(admin)
    made = await orchestrator(config, "backup", tmp_path / "backup")
    assert made.exit_code == 0, made.output
    told = (tmp_path / "backup" / "database.dump").read_text()
    assert told.startswith("service=runwright --format=custom")
    assert "[runwright]\n" in (tmp_path / "service").read_text()
    assert config.database_url not in told
    assert not list(config.data.glob(".pg_service*"))
