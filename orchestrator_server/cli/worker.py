"""One process that answers requests, until it is told to stop."""

import asyncio
import multiprocessing
import signal

import click
import msgspec
import structlog
from aiohttp import web

from orchestrator_server.access import service as people
from orchestrator_server.app import create_app
from orchestrator_server.config import Config
from orchestrator_server.http.connections import raise_file_limit
from orchestrator_server.http.keys import DATABASE, SETUP_TOKEN
from orchestrator_server.http.protocol import Runner

SHUTDOWN_SECONDS = 10.0

log = structlog.get_logger(__name__)


async def serve(config: Config) -> None:
    """Answer requests until SIGTERM or SIGINT, or until the parent of several is gone; then
    finish what is under way, and stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if parent := multiprocessing.parent_process():
        loop.add_reader(parent.sentinel, _orphaned, parent.sentinel, stopping)
    raise_file_limit()
    app = create_app(config)
    runner = Runner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        shared = config.workers > 1 or None
        site = web.TCPSite(runner, config.host, config.port, reuse_port=shared)
        await site.start()
        await _announce(app, config, runner)
        await stopping.wait()
        log.info("stopping; requests under way are finished first")
    finally:
        await runner.cleanup()


def _orphaned(sentinel: int, stopping: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(sentinel)  # it stays readable
    stopping.set()


async def _announce(app: web.Application, config: Config, runner: Runner) -> None:
    port = runner.addresses[0][1]
    log.info("ready", url=f"http://{config.host}:{port}", data=str(config.data))
    if token := app[SETUP_TOKEN]:
        show_setup(msgspec.structs.replace(config, port=port), token)
    elif config.workers == 1 and not await app[DATABASE].read(people.has_admin):
        log.warning("there is no administrator yet; run: orchestrator user create NAME --admin")
    if not config.is_on_loopback:
        log.warning("passwords and tokens cross the network readable; put TLS in front of this")


def show_setup(config: Config, token: str) -> None:
    """On the terminal and nowhere else: what is logged may be kept, and this is a credential."""
    url = f"http://{config.host}:{config.port}"
    click.echo(
        "There is no administrator yet. Set the password of the user `admin` within 30 minutes:\n\n"
        f"  curl {url}/api/auth/reset --json \\\n"
        f'    \'{{"token": "{token}", "new_password": "…"}}\'\n',
        err=True,
    )
