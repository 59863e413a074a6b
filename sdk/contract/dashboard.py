"""The dashboard on the wire: how things stand, at a glance."""

from sdk.contract.base import Resource
from sdk.contract.jobs import Job
from sdk.contract.robots import Robot


class Summary(Resource, frozen=True, kw_only=True):
    """`today` is the day in the time zone of the settings; a job counts on the day it was made."""

    total_robots: int = 0
    online_robots: int = 0
    offline_robots: int = 0
    jobs_today_total: int = 0
    jobs_today_success: int = 0
    jobs_today_failed: int = 0
    running_jobs: int = 0
    pending_jobs: int = 0
    total_processes: int = 0
    active_processes: int = 0
    queue_items_open: int = 0


class Overview(Resource, frozen=True, kw_only=True):
    instance_name: str
    summary: Summary
    robots: list[Robot]
    recent_jobs: list[Job]
