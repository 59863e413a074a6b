"""Claims and reports without HTTP: the same units, by threads with a connection each."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

import psycopg
from psycopg.rows import dict_row

from orchestrator_server.access.callers import Actor
from orchestrator_server.db import postgres
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs import claiming
from orchestrator_server.robots import service as robots
from orchestrator_server.runner import reports
from sdk.contract.audit import ActorType
from sdk.contract.runner import JobReport, NextJob
from sdk.contract.settings import JobSettings

ORIGIN = Actor(type=ActorType.ROBOT, name="")
SETTINGS = JobSettings()


def drain(url, headers):
    """Claims and reports a second, until no job is left; a thread for each robot."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(headers)) as threads:
        counts = threads.map(lambda named: _work(url, named["X-Robot-Token"]), headers)
        return sum(counts) / (time.perf_counter() - began)


def _work(url, token):
    count = 0
    with psycopg.connect(url, row_factory=dict_row) as connection:
        postgres._configure(connection)
        robot, _ = _unit(connection, robots.by_token, token, ORIGIN)
        while True:
            wanted = NextJob(claim_key=f"bare-{time.perf_counter_ns()}")
            answer = _unit(connection, claiming.claim_or_wait, robot, wanted, SETTINGS, _token)[0]
            if answer.job is None:
                return count
            report = JobReport(status="completed", attempt=answer.job.attempt)
            _unit(connection, reports.take, robot, answer.job.id, report, SETTINGS, _token)
            count += 1


def _unit(connection, do, *args):
    done = do(Transaction(postgres._Session(connection), datetime.now(UTC)), *args)
    connection.commit()
    return done


def _token(job_id, attempt):
    return f"{job_id}-{attempt}"


def multiply(path, count):
    """Let `count` more jobs wait that are like the newest one."""
    with closing(sqlite3.connect(path, timeout=30)) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(jobs)") if row[1] != "id"]
        names = ", ".join(columns)
        database.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO jobs ({names}) SELECT {names} FROM n, "
            f"(SELECT {names} FROM jobs ORDER BY id DESC LIMIT 1)",
            (count,),
        )
