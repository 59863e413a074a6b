"""`orchestrator serve`: run the server until it is told to stop."""

import os
from pathlib import Path
from typing import Any

import click

from orchestrator_server import addresses
from orchestrator_server import log as logs
from orchestrator_server.addresses import Network
from orchestrator_server.cli import options, several
from orchestrator_server.cli.worker import serve
from orchestrator_server.config import Config


class Cidr(click.ParamType[Network]):
    """Addresses or networks; in the environment, with commas or spaces between them."""

    name = "CIDR"

    def split_envvar_value(self, rv: str) -> list[str]:
        return rv.replace(",", " ").split()

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Network:
        try:
            network = addresses.parse_network(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if network.prefixlen == 0:
            self.fail(
                f"{value} is every address; name those of your proxies, as clients could"
                " otherwise choose the address that they are known by.",
                param,
                ctx,
            )
        return network


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, envvar="RUNWRIGHT_HOST")
@click.option("--port", default=8000, show_default=True, envvar="RUNWRIGHT_PORT")
@options.data
@options.database_url
@click.option(
    "--listen-url",
    envvar="RUNWRIGHT_LISTEN_URL",
    help="PostgreSQL itself, where --database-url is a pooler's.",
)
@options.store
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many processes share the work; more than one needs PostgreSQL.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    help="A name this server answers to; may be repeated. Default on loopback: loopback names."
    " Health checks from loopback may always use those.",
)
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    type=Cidr(),
    multiple=True,
    envvar=options.TRUSTED_PROXY,
    help="A proxy whose X-Forwarded-For and X-Forwarded-Proto are believed, as an address or a"
    " network; may be repeated.",
)
@click.option("--log-format", type=click.Choice(["console", "json"]), help="Over the setting.")
@click.option("--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING"]))
def command(
    host: str,
    port: int,
    data: Path,
    database_url: str | None,
    listen_url: str | None,
    store: str | None,
    workers: int,
    allowed_hosts: tuple[str, ...],
    trusted_proxies: tuple[Network, ...],
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
        listen_url=listen_url,
        store=store,
        host=host,
        port=port,
        allowed_hosts=allowed_hosts,
        trusted_proxies=trusted_proxies,
        log_format=log_format,
        log_level=log_level,
        admin_password=os.environ.get("RUNWRIGHT_ADMIN_PASSWORD"),  # never an argument
    )
    if workers > 1:
        several.run(config, workers)
    else:
        options.run(lambda: serve(config))
