"""`sdk logs`: what a job printed; byte for byte, if nobody watches."""

import click

from sdk.cli import following
from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import LogOutput
from sdk.client import Client
from sdk.contract.jobs import Job


@click.command("logs")
@click.argument("job_id", metavar="JOB", type=click.IntRange(min=1))
@click.option("--follow", is_flag=True, help="Go on until the job ends; exit as the job does.")
@click.option("--attempt", type=click.IntRange(min=1), help="[default: the latest]")
@click.option("--raw", is_flag=True, help="Control sequences too, which can steer the terminal.")
@profile_option
def command(job_id: int, follow: bool, attempt: int | None, raw: bool, profile: str | None) -> None:
    """Print the output of JOB, a number.

    A terminal is shown colors, and `?` for all other control characters; a pipe or a file gets
    every byte as it is.
    """
    if follow and attempt:
        raise click.UsageError("--follow shows every attempt; leave out --attempt.")

    async def read(client: Client) -> Job | None:
        if follow:
            return await following.follow(client, job_id, raw=raw)
        offset = 0
        with LogOutput(raw=raw) as output:
            while piece := await client.read_log(job_id, offset, attempt):
                output.write(piece)
                offset += len(piece)
        return None

    job = talk(profile, read)
    if job is not None:
        following.say_end(job)
