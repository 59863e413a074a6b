"""`orchestrator demo`: a server, a robot and three packages on this machine, live."""

import asyncio
import secrets
import signal
import socket
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import click

from orchestrator_server.demo import processes, screen, watch
from sdk.client import Client
from sdk.contract.jobs import Job, JobCreate, JobStatus
from sdk.contract.machines import MachineCreate
from sdk.contract.processes import ProcessCreate
from sdk.errors import NotAnOrchestrator, Unavailable, Unreachable
from sdk.packaging import pack
from sdk.transport import Transport

READY_SECONDS = 30.0
JOBS: dict[str, dict[str, Any]] = {  # the examples, and what each is asked to do
    "invoices": {},
    "text_files": {},
    "long_job": {"steps": 20, "seconds_per_step": 0.25},
}


@click.command("demo")
@click.option("--once", is_flag=True, help="End when the jobs have; status 0 if all completed.")
@click.option("--port", default=0, help="Where the server listens; 0 takes a free one.")
def command(once: bool, port: int) -> None:
    """Show a server, a robot and three packages at work, in a fresh data folder."""
    with tempfile.TemporaryDirectory(prefix="runwright-demo-") as folder:
        try:
            completed = asyncio.run(_demo(Path(folder), port or _free_port(), once))
        except processes.Ended as error:
            raise click.ClickException(str(error)) from error
    raise SystemExit(0 if completed else 1)


async def _demo(folder: Path, port: int, once: bool) -> bool:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    showing = asyncio.create_task(_show(folder, port, stopping, once))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({showing, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not showing.done():
        screen.say("\nStopping the robot and the server …")
        showing.cancel()
    try:
        return await showing
    except asyncio.CancelledError:
        return not once


async def _show(folder: Path, port: int, stopping: asyncio.Event, once: bool) -> bool:
    url = f"http://127.0.0.1:{port}"
    password = secrets.token_urlsafe(12)
    async with AsyncExitStack() as stack:
        screen.say(f"Starting a server at {url}, with SQLite in {folder}")
        server_log = folder / "server.log"
        server = await stack.enter_async_context(
            processes.running(
                "orchestrator_server",
                *("serve", "--port", str(port), "--data", str(folder / "server")),
                log=server_log,
                env={"RUNWRIGHT_ADMIN_PASSWORD": password},
            )
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        client = Client(Transport(session, url))
        lives = asyncio.create_task(processes.must_live(server, "server", server_log))
        stack.callback(lives.cancel)
        await _first(lives, _ready(client))
        await client.login("admin", password)
        await _start_robot(stack, client, folder, url)
        jobs = await _create_jobs(client, folder)
        ended = await _first(lives, _follow(client, jobs))
        completed = all(job.status is JobStatus.COMPLETED for job in ended)
        screen.say("All jobs completed." if completed else "Not every job completed.")
        if not once:
            _tell_how_to_go_on(url, password)
            await _first(lives, stopping.wait())
        return completed


async def _start_robot(stack: AsyncExitStack, client: Client, folder: Path, url: str) -> None:
    machine = await client.create_machine(MachineCreate(name="this machine"))
    key_file = folder / "machine.key"
    key_file.touch(mode=0o600)
    key_file.write_text(machine.machine_key or "")
    screen.say("Starting a robot with three hands: robot-1, robot-2, robot-3")
    await stack.enter_async_context(
        processes.running(
            "robot_agent",
            *("run", "--url", url, "--machine-key-file", str(key_file)),
            *("--name", "robot", "--robots", str(len(JOBS)), "--data", str(folder / "agent")),
            log=folder / "agent.log",
            env={},
        )
    )


async def _create_jobs(client: Client, folder: Path) -> list[Job]:
    screen.say(f"Publishing {len(JOBS)} packages and asking for a job of each\n")
    jobs = []
    for name, parameters in JOBS.items():
        package = await client.upload_package(pack(_examples() / name, folder))
        process = await client.create_process(
            ProcessCreate(name=package.name, package_id=package.id, script_path="main.py")
        )
        jobs.append(
            await client.create_job(JobCreate(process_id=process.id, parameters=parameters))
        )
    return jobs


async def _follow(client: Client, jobs: list[Job]) -> list[Job]:
    return await asyncio.gather(*(watch.follow(client, job) for job in jobs))


async def _ready(client: Client) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                await client.ready()
            except (Unreachable, Unavailable, NotAnOrchestrator):
                await asyncio.sleep(0.05)
            else:
                return


async def _first(lives: asyncio.Task[None], doing: Any) -> Any:
    """What `doing` gives, unless the server ends before: then that is raised."""
    task = asyncio.ensure_future(doing)
    try:
        await asyncio.wait({lives, task}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await lives
        return await task
    finally:
        task.cancel()


def _examples() -> Path:
    """Beside us when installed, at the top of the checkout otherwise."""
    packaged = Path(__file__).parent / "examples"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "examples"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tell_how_to_go_on(url: str, password: str) -> None:
    screen.say(f"\nThe server stays up at {url} until Ctrl-C. Sign in as admin:\n")
    form = f"username=admin&password={password}"  # piped: arguments can be seen by others
    click.echo(
        f"""  TOKEN=$(printf '{form}' | curl -s {url}/api/auth/login -d @- \\
          | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
  curl -s {url}/api/jobs -H "Authorization: Bearer $TOKEN"
  curl -s {url}/api/jobs -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
       -d '{{"process": "long_job", "parameters": {{"steps": 200}}}}'
  curl -s -X POST {url}/api/jobs/4/cancel -H "Authorization: Bearer $TOKEN"
"""
    )
