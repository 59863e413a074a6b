"""A report that is refused ends its job, never its agent: nor is it taken for a copy's."""

import asyncio
import sys

import msgspec
import pytest

from robot_agent import data_folder, reporting, work
from robot_agent.journal import Attempt, Entry, State
from sdk.contract.runner import JobReport
from tests.agent.fake_server import serving
from tests.agent.running_agent import an_agent, the_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="looks at processes")

FOREVER = 10_000
NOTES = "open({file!r}, 'a').write('started ')"


@pytest.fixture
async def server():
    async with serving() as fake:
        yield fake


@pytest.mark.parametrize("status", [400, 402, 403, 405, 406, 410, 411, 413, 415, 422, 431, 451])
async def test_the_job_fails_with_the_reason_whatever_the_status(
    server, tmp_path, monkeypatch, status
):
    server.failures["/update"] = [status]
    server.give("import os; open(os.environ['RUNWRIGHT_RESULT'], 'w').write('[1, 2]')")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
    [report] = server.reports
    assert (report["status"], report["reason"]) == ("failed", "script_failed")
    assert (report["result"], report["started"]) == (None, "yes")
    assert report["error_message"] == (
        "The server refused the report of this attempt: As the test wants it."
    )


async def test_why_it_failed_stays_beside_the_refusal_and_then_goes_too(
    server, tmp_path, monkeypatch
):
    server.failures["/update"] = [422]
    server.give("raise SystemExit(3)")
    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: server.reports)
        server.failures["/update"] = [422, 400]
        server.give("raise SystemExit(3)")
        await server.note()
        await server.until(lambda: len(server.reports) == 2)
    first, second = (report["error_message"] for report in server.reports)
    assert first.startswith("The script exited with status 3. The server refused the report")
    assert second == reporting.PLAIN_MESSAGE


async def test_who_is_refused_for_good_waits_for_the_lease_and_goes_on(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(work, "REFUSED_SECONDS", 0.05)
    server.failures["/update"] = [400, 400, 400]
    started = tmp_path / "started"
    server.give(NOTES.format(file=str(started)))
    async with an_agent(server, tmp_path / "agent", monkeypatch):
        await server.until(lambda: not server.failures["/update"] and len(server.claims) > 3)
        beats = len(server.beats)
        await server.until(lambda: len(server.beats) > beats + 1)
        assert server.beats[-1]["jobs"] == []  # so that its lease can end
        server.owned = None
        server.give("pass")
        await server.note()
        await server.until(lambda: server.reports)
    assert server.reports[0]["job_id"] == 2
    assert started.read_text() == "started "


async def test_a_service_that_starts_it_again_and_again_starts_the_script_once(server, tmp_path):
    """Killed while the server refuses all it says, and started as often: no crash loop."""
    started = tmp_path / "started"
    server.give(NOTES.format(file=str(started)))
    server.failures["/update"] = [400] * FOREVER
    for _ in range(4):
        claims = len(server.claims)
        async with the_program(server, tmp_path / "agent") as program:
            await server.until(lambda seen=claims: len(server.claims) > seen)
            await asyncio.sleep(0.5)  # time for an exit that would be wrong
            assert program.returncode is None
            program.kill()
    assert started.read_text() == "started "
    server.failures.clear()
    server.owned = None
    server.give("pass")
    async with the_program(server, tmp_path / "agent"):
        await server.until(lambda: server.reports)
    assert server.reports[-1]["job_id"] == 2
    assert started.read_text() == "started "


async def test_a_report_that_an_earlier_version_wrote_down_is_made_fit(
    server, tmp_path, monkeypatch
):
    message = "ValueError: bad \0 byte, \ud800"
    with data_folder.opened(tmp_path, 0) as data:
        for robot, report in {
            "bert-1": JobReport(status="failed", error_message=message.replace("\ud800", "")),
            "bert-2": JobReport(status="completed", result={"text": "a\0b"}),
        }.items():
            entry = Entry(robot, f"key-of-{robot}", State.STARTED, 7, int(robot[-1]), 1)
            await data.journal.exited(entry, msgspec.structs.replace(report, attempt=1))
    async with an_agent(server, tmp_path, monkeypatch, name="bert-1"):
        await server.until(lambda: len(server.reports) == 2)
    by_job = {report["job_id"]: report for report in server.reports}
    assert by_job[1]["error_message"] == "ValueError: bad \ufffd byte, "
    assert (by_job[2]["status"], by_job[2]["result"]) == ("failed", None)
    assert "The result of the script must be JSON" in by_job[2]["error_message"]


async def test_the_journal_knows_the_attempt_that_was_ended_last(tmp_path):
    with data_folder.opened(tmp_path, 0) as data:
        await data.journal.claiming("bert", "key", Attempt(7, 2))
        [entry] = data.journal.entries()
    assert (entry.state, entry.of) == (State.CLAIMING, (7, 2))


async def test_progress_that_the_server_does_not_take_costs_no_lease(server, tmp_path, monkeypatch):
    server.give("""if 1:
        import json, os, pathlib, time
        progress = pathlib.Path(os.environ['RUNWRIGHT_PROGRESS'])
        progress.write_text(json.dumps({'fraction': 0.5, 'message': 'a\\0b \\ud800'}))
        time.sleep(60)
    """)

    def told():
        return [job.get("progress") for beat in server.beats for job in beat["jobs"]]

    async with an_agent(server, tmp_path, monkeypatch):
        await server.until(lambda: told()[-1:] == [{"fraction": 0.5, "message": "a\ufffdb \ufffd"}])
        server.failures["/heartbeat"] = [400]
        await server.until(lambda: not server.failures["/heartbeat"] and told()[-1] is None)
        server.actions[1] = "kill"
        await server.until(lambda: server.reports)
