"""The claim and the lists use the index made for them, whatever SQLite's statistics say."""

import pytest

from orchestrator_server.db.queries import Query
from orchestrator_server.jobs import service

FOUNDATION = """
INSERT INTO packages (id, name, name_key, version, version_key, file_path, sha256, size_bytes,
    scripts_manifest, created_at, updated_at)
VALUES (1, 'p', 'p', '1.0.0', '1', 'f', 's', 1, '[]', '2030', '2030');
INSERT INTO processes (id, name, name_key, package_id, script_path, default_parameters, labels,
    created_at, updated_at)
VALUES (1, 'p', 'p', 1, 'main.py', '{}', '[]', '2030', '2030');
"""
FILL = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO jobs (process_id, process_version, package_id, script_path, labels, status,
    parameters, source, priority, max_attempts, created_at, finished_at)
SELECT 1, 1, 1, 'main.py', '[]', CASE WHEN i % {every} THEN 'pending' ELSE 'failed' END, '{{}}',
    'api', 0, 1, :now, CASE WHEN i % {every} THEN NULL ELSE :now END FROM n;
"""


def plan(tx, query, **params):
    explain = Query("plan", "EXPLAIN QUERY PLAN " + query.spelled_for("sqlite", params).text)
    steps = tx._session.fetch(explain, {"now": tx.now, **params})
    return "; ".join(step["detail"] for step in steps)


@pytest.fixture(params=["unanalyzed", "mostly waiting", "mostly done"])
async def filled(request, sqlite):
    every = {"mostly waiting": 100, "mostly done": 1}.get(request.param, 2)
    await sqlite.write(lambda tx: tx.script(FOUNDATION))
    await sqlite.write(lambda tx: tx.run(Query("fill", FILL.format(every=every))))
    if request.param != "unanalyzed":
        await sqlite.write(lambda tx: tx.script("ANALYZE"))
    return sqlite


CLAIM = {"robot_id": 1, "machine_id": 1, "lease_until": None, "labels": "[]"}


async def test_a_claim_looks_only_at_what_waits(filled):
    steps = await filled.read(plan, service.sql.claim_next, **CLAIM)
    assert "j USING INDEX jobs_waiting" in steps
    assert "TEMP B-TREE" not in steps


async def test_the_watchdog_looks_only_at_what_runs(filled):
    steps = await filled.read(plan, service.sql.lease_ended, limit=10)
    assert "jobs_leased" in steps
    assert "TEMP B-TREE" not in steps


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({}, "SCAN j"),  # backwards along the key, as far as the limit
        ({"before_id": 9}, "SEARCH j USING INTEGER PRIMARY KEY (rowid<?)"),
        ({"status": "failed"}, "jobs_by_status (status=?)"),
        ({"status": "failed", "before_id": 9}, "jobs_by_status (status=? AND id<?)"),
        ({"robot_id": 1, "before_id": 9}, "jobs_by_robot (robot_id=? AND id<?)"),
        ({"process_id": 1}, "jobs_by_process (process_id=?)"),
        ({"process_id": 1, "status": "failed"}, "jobs_by_process_and_status"),
    ],
)
async def test_a_list_uses_the_index_of_its_filter(sqlite, given, index):
    steps = await sqlite.read(plan, service.sql.list, limit=50, **given)
    assert index in steps
    assert "TEMP B-TREE" not in steps


async def test_the_dashboard_reads_only_what_is_open_or_of_today(filled):
    from orchestrator_server.dashboard.service import sql

    steps = await filled.read(plan, sql.summary, online_since=None, today=None)
    assert "SEARCH jobs USING INDEX jobs_by_time" in steps.replace("COVERING ", "")
    assert "queue_items_waiting" in steps
    assert "queue_items_leased" in steps
    assert "queue_items_by_status" not in steps


@pytest.mark.parametrize("given", [{"from_time": "2030"}, {"to_time": "2030"}])
async def test_a_time_in_the_audit_trail_is_looked_up(sqlite, given):
    from orchestrator_server.audit.service import sql

    steps = await sqlite.read(plan, sql.list, limit=50, offset=0, **given)
    assert "SEARCH audit_events USING INTEGER PRIMARY KEY (rowid" in steps
    assert "SEARCH b USING COVERING INDEX audit_events_by_time" in steps
