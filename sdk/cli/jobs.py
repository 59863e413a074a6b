"""`sdk jobs`: what ran, runs and waits."""

import click

from sdk.cli import following
from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import as_json, show, table
from sdk.client import Client
from sdk.contract.jobs import Job, JobQuery, JobStatus

HEADS = ("ID", "STATUS", "PROCESS", "ROBOT", "CREATED", "TOOK")


@click.command("jobs")
@click.option("--status", type=click.Choice([str(status) for status in JobStatus]))
@click.option("--process", help="Part of the name of the process.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@profile_option
@as_json
def command(
    status: str | None, process: str | None, limit: int, profile: str | None, as_json: bool
) -> None:
    """List jobs, newest first."""
    query = JobQuery(
        status=JobStatus(status) if status else None, search=process, limit=min(limit, 500)
    )

    async def read(client: Client) -> list[Job]:
        jobs: list[Job] = []
        async for job in client.list_jobs(query):
            jobs.append(job)
            if len(jobs) == limit:
                break
        return jobs

    jobs = talk(profile, read)
    show(jobs, table(map(_row, jobs), HEADS) or "No jobs.", as_json=as_json)


def _row(job: Job) -> tuple[object, ...]:
    created = f"{job.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
    took = following.duration(job) if job.finished_at and job.started_at else None
    return job.id, job.status, job.process_name, job.robot_name, created, took
