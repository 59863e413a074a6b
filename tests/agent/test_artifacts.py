"""What a script leaves in `artifacts` reaches the server, while it runs or when it can."""

import pytest

from robot_agent import artifacts
from tests.agent.fake_server import serving
from tests.agent.running_agent import an_agent

LEAVES = """if 1:
    import os, pathlib, time
    folder = pathlib.Path('artifacts')
    (folder / 'deep').mkdir(parents=True)
    (folder / 'early.txt').write_text('early')
    print('up', flush=True)
    while not pathlib.Path({!r}).exists():
        time.sleep(0.02)
    (folder / 'early.txt').write_text('changed later')
    (folder / 'deep' / 'late.txt').write_text('late')
    (folder / 'large').write_bytes(bytes(2000))
    os.symlink('/etc/passwd', folder / 'link')
    os.symlink('/etc', folder / 'tree')
"""


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


async def test_files_are_brought_while_the_script_runs_and_after_it(
    server, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(artifacts, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(artifacts, "MOST_BYTES", 1000)
    server.give(LEAVES.format(str(tmp_path / "go")))
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.artifacts == [("early.txt", b"early")])
        (tmp_path / "go").touch()
        await server.until(lambda: len(server.artifacts) == 3 and server.reports)
    assert sorted(server.artifacts[1:]) == [
        ("deep - late.txt", b"late"),
        ("early.txt", b"changed later"),
    ]
    assert "Artifact large of job 1 is larger" in caplog.text
    assert [report["status"] for report in server.reports] == ["completed"]


async def test_what_could_not_be_brought_is_brought_by_the_next_life(server, tmp_path, monkeypatch):
    server.failures["/artifacts/a.txt"] = [503] * 1000
    server.give("import os; os.mkdir('artifacts'); open('artifacts/a.txt', 'w').write('kept')")
    async with an_agent(server, tmp_path, monkeypatch) as agent:
        server.failures["/update"] = [503] * 1000
        await server.until(lambda: len(server.failures["/artifacts/a.txt"]) < 1000)
        agent.stop()
        agent.stop()
    server.failures.clear()
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.artifacts and server.reports)
    assert server.artifacts == [("a.txt", b"kept")]


async def test_a_refused_artifact_costs_no_result(server, tmp_path, monkeypatch):
    server.failures["/artifacts/a.txt"] = [409]
    server.give("import os; os.mkdir('artifacts'); open('artifacts/a.txt', 'w')")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
    assert server.reports[0]["status"] == "completed" and not server.artifacts
