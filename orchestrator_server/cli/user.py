"""`orchestrator user`: make people known, from the server's own machine."""

import sys
from pathlib import Path

import click

from orchestrator_server.access import service
from orchestrator_server.access.callers import SYSTEM
from orchestrator_server.access.passwords import Passwords, check_strength
from orchestrator_server.access.rules import BUILT_IN
from orchestrator_server.cli import options
from orchestrator_server.config import Config
from orchestrator_server.db.transaction import Database
from orchestrator_server.keys import Keys


@click.group("user")
def command() -> None:
    """Create users."""


@command.command("create")
@click.argument("name")
@click.option("--admin", is_flag=True, help="May do everything.")
@click.option("--role", "roles", multiple=True, type=click.Choice(list(BUILT_IN)))
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@options.data
@options.database_url
def create(
    name: str,
    admin: bool,
    roles: tuple[str, ...],
    password_stdin: bool,
    data: Path,
    database_url: str | None,
) -> None:
    """Create the user NAME. The password is asked for, and never an argument."""
    config = Config(data=data, database_url=database_url)
    password = _password(password_stdin)

    async def create_user(database: Database, keys: Keys) -> None:
        check_strength(password)
        passwords = Passwords(keys.pepper)
        hashed = passwords.hash_now(password)
        passwords.close()
        await database.write(
            service.create_user, SYSTEM, name, hashed, is_admin=admin, roles=list(roles)
        )

    options.on_database(config, create_user)
    click.echo(f"User {name} was created.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer
