"""The list of commands; each is a file beside this one, loaded when it is called."""

import importlib

import click

COMMANDS = ["pack"]


class LazyGroup(click.Group):
    """Imports a command when it is wanted, so that no command waits for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return COMMANDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"sdk.cli.{cmd_name}"), cmd_name)
        return command


@click.group(name="sdk", cls=LazyGroup)
@click.version_option(package_name="runwright", prog_name="sdk")
def main() -> None:
    """Build packages for robots."""


if __name__ == "__main__":
    main(prog_name="sdk")
