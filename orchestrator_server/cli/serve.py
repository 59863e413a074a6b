"""`orchestrator serve`: run the server until it is told to stop."""

import asyncio
import os
import signal
from pathlib import Path

import click
import structlog
from aiohttp import web

from orchestrator_server import log as logs
from orchestrator_server.access import service as people
from orchestrator_server.app import create_app
from orchestrator_server.cli import options
from orchestrator_server.config import LOOPBACK, Config
from orchestrator_server.http.keys import DATABASE, SETUP_TOKEN
from orchestrator_server.http.protocol import Runner

SHUTDOWN_SECONDS = 10.0

log = structlog.get_logger(__name__)


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, envvar="RUNWRIGHT_HOST")
@click.option("--port", default=8000, show_default=True, envvar="RUNWRIGHT_PORT")
@options.data
@options.database_url
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    help="A name this server answers to; may be repeated. On loopback: loopback names only.",
)
@click.option("--log-format", type=click.Choice(["console", "json"]), help="Over the setting.")
@click.option("--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING"]))
def command(
    host: str,
    port: int,
    data: Path,
    database_url: str | None,
    allowed_hosts: tuple[str, ...],
    log_format: str | None,
    log_level: str | None,
) -> None:
    """Run the server.

    RUNWRIGHT_ADMIN_PASSWORD, in the environment, makes the user `admin` if there is no
    administrator yet; `orchestrator user create NAME --admin` is the other way.
    """
    logs.configure(log_format or "console", log_level or "INFO")
    config = Config(
        data=data,
        database_url=database_url,
        host=host,
        port=port,
        allowed_hosts=allowed_hosts,
        log_format=log_format,
        log_level=log_level,
        admin_password=os.environ.get("RUNWRIGHT_ADMIN_PASSWORD"),  # never an argument
    )
    options.run(lambda: serve(config))


async def serve(config: Config) -> None:
    """Answer requests until SIGTERM or SIGINT; then finish what is under way, and stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    app = create_app(config)
    runner = Runner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port)
        await site.start()
        await _announce(app, config, runner)
        await stopping.wait()
        log.info("stopping; requests under way are finished first")
    finally:
        await runner.cleanup()


async def _announce(app: web.Application, config: Config, runner: Runner) -> None:
    port = runner.addresses[0][1]
    log.info("ready", url=f"http://{config.host}:{port}", data=str(config.data))
    if token := app[SETUP_TOKEN]:
        _show_setup(f"http://{config.host}:{port}", token)
    elif not await app[DATABASE].read(people.has_admin):
        log.warning("there is no administrator yet; run: orchestrator user create NAME --admin")
    if config.host not in LOOPBACK:
        log.warning("passwords and tokens cross the network readable; put TLS in front of this")


def _show_setup(url: str, token: str) -> None:
    """On the terminal and nowhere else: what is logged may be kept, and this is a credential."""
    click.echo(
        "There is no administrator yet. Set the password of the user `admin` within 30 minutes:\n\n"
        f"  curl {url}/api/auth/reset --json \\\n"
        f'    \'{{"token": "{token}", "new_password": "…"}}\'\n',
        err=True,
    )
