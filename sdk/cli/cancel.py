"""`sdk cancel`: end a job for good."""

import click

from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import as_json, show


@click.command("cancel")
@click.argument("job_id", metavar="JOB", type=click.IntRange(min=1))
@profile_option
@as_json
def command(job_id: int, profile: str | None, as_json: bool) -> None:
    """Cancel JOB, a number; one that has ended stays as it is."""
    job = talk(profile, lambda client: client.cancel_job(job_id))
    show(job, f"Job {job.id} is {job.status}.", as_json=as_json)
