"""`sdk start`: run a process on a robot."""

import difflib
from pathlib import Path

import click

from sdk.cli import following, parameters
from sdk.cli.connection import profile_option, talk
from sdk.cli.terminal import Exit, Failure, as_json, say, show
from sdk.client import Client
from sdk.contract.jobs import Job, JobCreate
from sdk.errors import NotFound, Refused
from sdk.publishing import find_process, secrets_of, ungranted


@click.command("start")
@click.argument("process")
@parameters.options
@click.option("--follow", is_flag=True, help="Show what it prints; exit as the job does.")
@profile_option
@as_json
def command(
    process: str,
    params: tuple[str, ...],
    params_file: Path | None,
    follow: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Start a job of PROCESS, by its name, with these parameters."""
    wanted = JobCreate(process=process, parameters=parameters.given(params, params_file))

    async def run(client: Client) -> Job:
        await _warn_of_secrets(client, process)
        job = await _create(client, wanted)
        if not follow:
            say(f"Watch it:  sdk logs {job.id} --follow")
            return job
        say(f"Job {job.id} of {job.process_name} waits for a robot.")
        # Data has stdout for itself: the job if JSON was asked for, else what the script prints.
        return await following.follow(client, job.id, to_stderr=as_json)

    job = talk(profile, run)
    if as_json or not follow:
        show(job, f"Job {job.id} of {job.process_name} is {job.status}.", as_json=as_json)
    if follow:
        following.say_end(job)


async def _warn_of_secrets(client: Client, name: str) -> None:
    """Before a job fails for want of a secret that its package asks for."""
    try:
        process = await find_process(client, name)
        secrets = await secrets_of(client, process) if process is not None else []
    except Refused:
        return  # this token may not read processes; the job itself says what it lacks
    for sentence in ungranted(process, secrets) if process is not None else []:
        say(sentence)


async def _create(client: Client, wanted: JobCreate) -> Job:
    try:
        return await client.create_job(wanted)
    except NotFound as error:
        near = await _near(client, wanted.process or "")
        raise Failure(str(error) + near, Exit.NOT_FOUND) from error


async def _near(client: Client, name: str) -> str:
    try:
        names = [process.name async for process in client.list_processes()]
    except Refused:
        return ""  # this token may not read processes; then there is nothing to suggest
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]}?" if near else ""
