"""How things stand: three queries, however much there is."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from orchestrator_server.db import queries
from orchestrator_server.db.transaction import Transaction
from orchestrator_server.jobs import service as jobs
from orchestrator_server.robots import service as robots
from sdk.contract.dashboard import Overview, Summary
from sdk.contract.jobs import JobQuery
from sdk.contract.robots import RobotQuery
from sdk.contract.settings import GeneralSettings

sql = queries.load(__package__)

RECENT_JOBS = 10


class Gauges(msgspec.Struct, frozen=True):
    """What is counted for those who watch the server from outside."""

    jobs_pending: int
    jobs_running: int
    robots_online: int
    robots_total: int
    items_new: int
    items_in_progress: int


def overview(tx: Transaction, settings: GeneralSettings, online_since: datetime) -> Overview:
    today = midnight(tx.now, settings.timezone)
    summary = tx.one(
        sql.summary, Summary, missing="Nothing is there.", today=today, online_since=online_since
    )
    offline = summary.total_robots - summary.online_robots
    return Overview(
        instance_name=settings.instance_name,
        summary=msgspec.structs.replace(summary, offline_robots=offline),
        robots=robots.list_robots(tx, RobotQuery(), online_since).items,
        recent_jobs=jobs.list_jobs(tx, JobQuery(limit=RECENT_JOBS)).items,
    )


def gauges(tx: Transaction, online_since: datetime) -> Gauges:
    return tx.one(sql.gauges, Gauges, missing="Nothing is there.", online_since=online_since)


def midnight(now: datetime, timezone: str) -> datetime:
    """When the day began there, as a moment in UTC."""
    local = now.astimezone(ZoneInfo(timezone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
