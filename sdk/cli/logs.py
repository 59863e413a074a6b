"""`sdk logs`: what a job printed, byte for byte."""

import click

from sdk.cli import following
from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import print_bytes
from sdk.client import Client
from sdk.contract.jobs import Job


@click.command("logs")
@click.argument("job_id", metavar="JOB", type=click.IntRange(min=1))
@click.option("--follow", is_flag=True, help="Go on until the job ends; exit as the job does.")
@click.option("--attempt", type=click.IntRange(min=1), help="[default: the latest]")
@profile_option
def command(job_id: int, follow: bool, attempt: int | None, profile: str | None) -> None:
    """Print the output of JOB, a number."""
    if follow and attempt:
        raise click.UsageError("--follow shows every attempt; leave out --attempt.")

    async def read(client: Client) -> Job | None:
        if follow:
            return await following.follow(client, job_id)
        offset = 0
        while piece := await client.read_log(job_id, offset, attempt):
            print_bytes(piece)
            offset += len(piece)
        return None

    job = talk(profile, read)
    if job is not None:
        following.say_end(job)
